"""What became of every box, frame by frame: the rows that `mistakes` lists, and the boxes that are no mistakes.

The matching is that of `mistakes`, so misses, false alarms and switches are as many as CLEAR's FN, FP and IDSW. A
switch is the match with which a target goes over to another track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stages.scoring.adapter import Frame, class_data, scored_rows
from stages.scoring.matching import NONE, Step, steps
from stages.scoring.mistakes import Scene
from stages.scoring.protocols import is_own_distractor
from stages.sequences.annotations import DISTRACTOR, FRAME, ID, REGION, corners

# In the order in which they are drawn. A distractor's or a region's box is annotated; a dropped track box is one that
# either has taken, or that the protocol does not score.
KINDS = ("region", "distractor", "dropped", "matched", "miss", "false alarm", "switch")
_REGION, _DISTRACTOR, _DROPPED, _MATCHED, MISS, FALSE_ALARM, SWITCH = range(len(KINDS))

Rows = Sequence[tuple[np.ndarray, np.ndarray]]  # each frame's rows of the ground truth and of the tracks


class Verdict(NamedTuple):
    """One box and what became of it."""

    kind: str  # of `KINDS`
    box: tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels: the track's, or the target's that is missed
    label: int  # class from 0, or -1 for regions and distractors
    target: int | None  # the id in the ground truth
    track: int | None  # the track's id
    before: int | None  # of a miss or a switch: the track that the target was last matched to


class ClassFrames(NamedTuple):
    """What one class is scored by."""

    rows: Rows
    data: dict  # see `adapter.class_data`


def class_frames(frames: Sequence[Frame], number: int) -> ClassFrames:
    """The rows and the data of class ``number`` (from 0)."""
    scored = [scored_rows(frame, number) for frame in frames]
    rows = [(frame.gt_rows[g], frame.track_rows[t]) for frame, (g, t) in zip(frames, scored, strict=True)]
    return ClassFrames(rows, class_data(list(frames), number))


@dataclass(frozen=True)
class Verdicts:
    """All boxes of a sequence, (N,) each, sorted by frame and kind; `NONE` is no id."""

    length: int  # frames
    frames: np.ndarray  # from 1
    kinds: np.ndarray  # places in `KINDS`
    boxes: np.ndarray  # (N, 4) x1, y1, x2, y2 in pixels
    labels: np.ndarray
    targets: np.ndarray  # ids
    tracks: np.ndarray
    before: np.ndarray

    def of(self, frame: int) -> list[Verdict]:
        """The boxes of ``frame`` (from 1)."""
        rows = slice(*np.searchsorted(self.frames, (frame, frame + 1)))
        columns = (self.kinds, self.boxes, self.labels, self.targets, self.tracks, self.before)
        return [
            Verdict(KINDS[kind], tuple(box), label, *(None if number == NONE else number for number in ids))
            for kind, box, label, *ids in zip(*(each[rows].tolist() for each in columns), strict=True)
        ]

    def counts(self, kind: int) -> np.ndarray:
        """How many boxes of one kind, such as `MISS`, each frame has, (length,)."""
        return np.bincount(self.frames[self.kinds == kind] - 1, minlength=self.length)


def judge(classes: Sequence[ClassFrames], scene: Scene, roles: np.ndarray) -> Verdicts:
    """The verdicts on a sequence; ``roles`` (N,) are those of ``scene.gt``, see `protocols.roles`."""
    scored = np.concatenate([table for each in classes for table in _of_class(each)])
    dropped = np.setdiff1d(np.arange(len(scene.tracks.ids)), scored[:, _TRACK])
    regions = np.flatnonzero(roles == REGION)
    distractors = np.flatnonzero((roles == DISTRACTOR) | is_own_distractor(roles))
    rest = (
        _table(len(regions), _REGION, target=regions),
        _table(len(distractors), _DISTRACTOR, target=distractors),
        _table(len(dropped), _DROPPED, track=dropped),
    )
    return _looked_up(np.concatenate([*rest, scored]), scene, roles, len(classes[0].rows))


def _of_class(each: ClassFrames) -> list[np.ndarray]:
    """The tables of a class, for every frame."""
    return [_table(0, _MATCHED), *(table for step in steps(each.data, each.rows) for table in _of_step(step))]


def _of_step(step: Step) -> tuple[np.ndarray, np.ndarray]:
    kinds = np.where(step.switched, SWITCH, np.where(step.partners == NONE, MISS, _MATCHED))
    before = np.where(kinds == _MATCHED, NONE, step.before)
    false = step.tracks[step.false]
    return (
        _table(len(kinds), kinds, step.targets, step.partners, before),
        _table(len(false), FALSE_ALARM, track=false),
    )


_Column = int | np.ndarray
_KIND, _TARGET, _TRACK, _BEFORE = range(4)  # columns of a table: what, and rows of the ground truth and of the tracks


def _table(
    length: int, kind: _Column, target: _Column = NONE, track: _Column = NONE, before: _Column = NONE
) -> np.ndarray:
    """(length, 4) whole numbers."""
    table = np.empty((length, 4), np.int64)
    for column, values in enumerate((kind, target, track, before)):
        table[:, column] = values
    return table


def _looked_up(table: np.ndarray, scene: Scene, roles: np.ndarray, length: int) -> Verdicts:
    """Frames, boxes, classes and ids in the place of rows; row `NONE` is the last of each of these."""
    kind, target, track, before = table.T
    tracked, tracks = track != NONE, scene.tracks
    ids = np.append(tracks.ids, NONE)
    frames = np.where(tracked, np.append(tracks.frames, 0)[track], np.append(scene.gt[:, FRAME], 0)[target])
    labels = np.where(tracked, np.append(tracks.classes, NONE)[track], np.maximum(np.append(roles, NONE)[target], NONE))
    none = np.zeros((1, 4))
    boxes = np.where(
        tracked[:, None], np.append(tracks.boxes, none, axis=0)[track], np.append(scene.boxes, none, axis=0)[target]
    )
    columns = (frames, kind, corners(boxes), labels, np.append(scene.gt[:, ID], NONE)[target], ids[track], ids[before])
    order = np.lexsort((kind, frames))
    frames, kind, boxes, *rest = (column[order] for column in columns)
    return Verdicts(length, frames.astype(np.int64), kind, boxes, *(column.astype(np.int64) for column in rest))
