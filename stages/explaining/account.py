"""What is said of one mistake: the candidate or the detection that it goes back to, how it fared, and its heat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.explaining.boxes import iou_with, share_inside
from stages.explaining.looking import FOUND, Heat, Sight
from stages.explaining.mistakes import MISS, Mistake

# How the box fared that is explained.
UNKNOWN = "unknown"  # the checkpoint lacks the class
NOTHING = "nothing"  # no candidate is near
UNSURE = "unsure"  # its score is below what was asked for
ASIDE = "aside"  # sure enough, but it overlaps a missed target by less than a match needs
SUPPRESSED = "suppressed"  # a surer box took its place
CUT = "cut"  # sure enough, and in no surer box's way: there were more than `max_objects`
DETECTED = "detected"  # it is among the detections


@dataclass(frozen=True)
class Asked:
    """What detection was asked for, `evaluation.detection`."""

    min_score: float
    nms_iou: float


@dataclass(frozen=True)
class Account:
    """One mistake explained. Boxes are x1 y1 x2 y2 in pixels of the frame."""

    mistake: Mistake
    fate: str
    box: np.ndarray | None  # of the candidate or detection whose score is explained, None where there is none
    score: float | None  # 0 to 1
    overlap: float  # IoU: a miss's candidate with the target, a false alarm with the annotated box nearest to it
    overlap_with: str | None  # what that is
    heat: Heat
    inside: float  # the share of the heat in the mistake's box
    expected: float  # the share of the frame that this box takes up: what `inside` would be were the heat even


def account_of(
    mistake: Mistake, sight: Sight, detections: np.ndarray, detection: np.ndarray | None, asked: Asked, known: bool
) -> Account:
    """Explain ``mistake`` by what the detector saw in its frame.

    ``detections`` (n, 5) x1 y1 x2 y2 and score are those of the class in the frame, ``detection`` (5,) the one at the
    mistake's box; ``known`` says whether the checkpoint has the class.
    """
    place = _place(mistake, sight, detection) if known else None
    box = score = None
    if detection is not None:
        box, score = detection[:4], float(detection[4])
    elif place is not None:
        box, score = sight.boxes[place], float(sight.scores[place])
    heat = sight.heat(place)
    overlap, overlap_with = mistake.iou, mistake.iou_with
    if mistake.kind == MISS:
        overlap = 0.0 if box is None else float(iou_with(mistake.box, box[None])[0])
        overlap_with = "target" if overlap > 0 else None
    return Account(
        mistake=mistake,
        fate=_fate(mistake, box, score, detections, detection, asked) if known else UNKNOWN,
        box=box,
        score=score,
        overlap=overlap,
        overlap_with=overlap_with,
        heat=heat,
        inside=share_inside(heat.map, mistake.box),
        expected=share_inside(np.ones_like(heat.map), mistake.box),
    )


def _place(mistake: Mistake, sight: Sight, detection: np.ndarray | None) -> int | None:
    """The candidate to explain: that which became the detection, or else the best near the box."""
    if detection is None or not len(sight.boxes):
        return sight.best_near(mistake.box)
    likeness = iou_with(detection[:4], sight.boxes) - np.abs(sight.scores - detection[4])
    return int(np.argmax(likeness))


def _fate(
    mistake: Mistake,
    box: np.ndarray | None,
    score: float | None,
    detections: np.ndarray,
    detection: np.ndarray | None,
    asked: Asked,
) -> str:
    if detection is not None:
        return DETECTED
    if box is None:
        return NOTHING
    if score < asked.min_score:
        return UNSURE
    if iou_with(mistake.box, box[None])[0] < FOUND:
        return ASIDE
    surer = detections[detections[:, 4] >= score]
    return SUPPRESSED if (iou_with(box, surer[:, :4]) > asked.nms_iou).any() else CUT
