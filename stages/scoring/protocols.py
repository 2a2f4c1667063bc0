"""Protocols: by which rules tracks are scored, as params.yaml's `protocols.SOURCE` names them.

A protocol decides which track boxes count, before TrackEval's metrics see any, and two things behind them. Boxes match
from an IoU of 0.5, one to one, by the largest sum of IoU. What each name stands for:

`skyward` (what no entry means): see `adapter`. Distractors are so for every class, and a target wins a tie.
`mot15`, `dancetrack`: no box is dropped. TrackEval's MotChallenge2DBox (DanceTrack is evaluated with it).
`mot17` (MOT16 too), `mot20`: tracks are matched to the boxes of all classes; those matched to a distractor are
    dropped. MotChallenge2DBox, after the MOTChallenge devkit.
`kitti`: tracks are matched to the boxes of their class and its neighbours (Van to Car, sitting people to Pedestrian);
    those matched to a neighbour, or to a box that is truncated or whose occlusion is unknown (visibility 0), are
    dropped. So are unmatched ones of a height of at most 25 pixels, or with more than half their area in one DontCare
    region. TrackEval's Kitti2DBox, after the devkit's evaluate_tracking.py.
`bdd100k`: tracks are matched to the boxes of their class; unmatched ones with more than half their area in one region
    (crowds and `other person`, `other vehicle`, `trailer`) are dropped. TrackEval's BDD100K and Scalabel's
    scalabel/eval/mot.py. From the latter: an object is mostly tracked from a share of 0.8 on, not above it, and the
    class average is over all classes, where one that the ground truth lacks counts as 0.
`visdrone`: annotated boxes and track boxes of which half or more lies in the union of the regions (`ignored regions`
    and `others`) are dropped, counted in whole pixels, and so are tracks behind the last annotated frame. The rule of
    VisDrone/VisDrone2018-MOT-toolkit, eval/dropObjects.m and evaluateTrackB.m. (That script takes the regions out of
    the ground truth before it filters the results, which it then leaves as they are; here the rule is kept.)
    TrackEval has no such data set.

`min_visibility`, `min_height` and `min_area` add to any of them: a target below is a distractor of its class;
a negative visibility is unknown, and not below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stages.params.protocol_rules import NEIGHBOURS
from stages.params.scoring import Protocol
from stages.sequences.annotations import CLASS, HEIGHT, WIDTH, purposes, too_hidden

_OWN = -4  # `own_distractor(0)`


@dataclass(frozen=True)
class Rules:
    """The rules of one protocol; see the module."""

    all_classes: bool = False  # whether tracks are matched to the boxes of all classes, or of their own alone
    targets_win: bool = False  # whether a target wins a tie; otherwise it is the solver's
    regions_first: bool = False  # whether regions take annotated and track boxes before anything is matched
    small: float = 0.0  # pixels: an unmatched track box of at most this height is dropped
    neighbours: Mapping[str, str] = field(default_factory=dict)  # distractors of one class alone, by the source's names
    min_visibility: float = 0.0
    min_height: float = 0.0  # pixels
    min_area: float = 0.0  # pixels^2
    mostly_from: bool = False  # whether an object tracked for a share of exactly 0.8 is mostly tracked
    absent_is_zero: bool = False  # whether the class average counts a class without ground truth, as 0


SKYWARD = Rules(all_classes=True, targets_win=True)
_RULES = {
    "skyward": SKYWARD,
    "mot15": Rules(),
    "mot17": Rules(all_classes=True),
    "mot20": Rules(all_classes=True),
    "dancetrack": Rules(),
    "visdrone": Rules(regions_first=True),
    "bdd100k": Rules(mostly_from=True, absent_is_zero=True),
    "kitti": Rules(small=25.0, min_visibility=0.01, neighbours=NEIGHBOURS["kitti"]),
}


def rules_of(protocol: Protocol) -> Rules:
    """The rules that a block of params.yaml stands for; what it says itself comes before its name."""
    limits = protocol.model_dump(include={"min_visibility", "min_height", "min_area"}, exclude_none=True)
    return replace(_RULES[protocol.name], **limits)


def own_distractor(number: int | np.ndarray) -> int | np.ndarray:
    """The role of a box that is a distractor to what is found of class ``number`` (from 0), and to nothing else."""
    return _OWN - number


def is_own_distractor(roles: np.ndarray) -> np.ndarray:
    """Which of (N,) roles are those of a distractor to one class alone, (N,) bool."""
    return roles <= _OWN


def class_of_own_distractor(roles: np.ndarray) -> np.ndarray:
    """The classes, from 0, to which boxes of these (N,) roles are distractors, (N,): undoes `own_distractor`."""
    return _OWN - roles


def roles(
    gt: np.ndarray, labels: Mapping[int, str], mapping: Mapping[str, str], classes: Sequence[str], rules: Rules
) -> np.ndarray:
    """What each row of ``gt`` (N, 9) is for by ``rules``, (N,): as `annotations.purposes`, or an `own_distractor`.

    Raises `UnmappedError` as `purposes` does.
    """
    result = purposes(gt, labels, mapping, classes)
    numbers = {name: number for number, name in enumerate(classes)}
    named = {name: label for label, name in labels.items()}
    for native, of in rules.neighbours.items():
        if mapping.get(native) == "distractor" and native in named:
            # Without a class to be a neighbour of, it is nothing to anybody.
            role = own_distractor(numbers.get(mapping.get(of, ""), len(classes)))
            result[gt[:, CLASS] == named[native]] = role
    below = (result >= 0) & _below(gt, rules)
    result[below] = own_distractor(result[below])
    return result


def _below(gt: np.ndarray, rules: Rules) -> np.ndarray:
    """The rows of ``gt`` that are below a limit, (N,) bool."""
    return (
        too_hidden(gt, rules.min_visibility)
        | (gt[:, HEIGHT] < rules.min_height)
        | (gt[:, WIDTH] * gt[:, HEIGHT] < rules.min_area)
    )
