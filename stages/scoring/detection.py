"""Detection mAP as COCO defines it (arXiv:1405.0312, cocodataset.org/#detection-eval), over arrays.

Average precision of a class is the mean of interpolated precision at 101 recalls; `mAP` is its mean over the IoU
thresholds .50, .55, ... .95, `mAP50` and `mAP75` are those at one threshold; all are means over the classes that the
ground truth has. COCO's cap of 100 detections a frame and class is not applied unless asked for: how many objects a
frame may have is said where detections are made.

What is neither to be found nor a mistake when found, for every class:

- a distractor is an ignored box: at each threshold it takes one detection that no target takes, matched by IoU;
- a region is a COCO crowd: it takes every detection that no target takes and whose share of own area inside it
  reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, LEFT, REGION, corners

_NO_BOXES = np.zeros((0, 4))
_ALL_AREAS = [0.0, 1e10]
_IGNORED_AREA = 2e10  # outside `_ALL_AREAS`: COCO ignores such a box and still matches it one to one
_THRESHOLDS = {"mAP": slice(None), "mAP50": 0, "mAP75": 5}


@dataclass(frozen=True)
class Truth:
    """One frame's ground truth; boxes are x1, y1, x2, y2 in pixels."""

    boxes: np.ndarray  # (N, 4) targets
    classes: np.ndarray  # (N,) from 0
    distractors: np.ndarray = field(default_factory=lambda: _NO_BOXES)  # (D, 4)
    regions: np.ndarray = field(default_factory=lambda: _NO_BOXES)  # (R, 4)


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame; boxes are x1, y1, x2, y2 in pixels."""

    boxes: np.ndarray  # (N, 4)
    scores: np.ndarray  # (N,)
    classes: np.ndarray  # (N,) from 0


def truth_of(gt: np.ndarray, purposes: np.ndarray) -> Truth:
    """One frame's ground truth from its rows (N, 9) and what each is for (N,), see `annotations.purposes`."""
    boxes = corners(gt[:, LEFT : HEIGHT + 1])
    targets = purposes >= 0
    return Truth(boxes[targets], purposes[targets], boxes[purposes == DISTRACTOR], boxes[purposes == REGION])


def truths_of(gt: np.ndarray, purposes: np.ndarray, length: int) -> list[Truth]:
    """The ground truth of each of a sequence's ``length`` frames."""
    rows = [gt[:, FRAME] == frame for frame in range(1, length + 1)]
    return [truth_of(gt[of], purposes[of]) for of in rows]


def detections_of(table: np.ndarray, length: int) -> list[Detections]:
    """The detections of each of a sequence's ``length`` frames from its table, see `sequences.detections`."""
    rows = [np.flatnonzero(table[:, 0] == frame) for frame in range(1, length + 1)]
    return [Detections(table[of, 1:5], table[of, 5], table[of, 6].astype(np.int64)) for of in rows]


def mean_average_precision(
    truths: Sequence[Truth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    max_detections: int | None = None,
) -> dict:
    """``{"mAP": ..., "mAP50": ..., "mAP75": ..., "classes": {name: {"mAP": ..., ...}}}``, each from 0 to 1.

    ``truths`` and ``detections`` are parallel, one item per frame. A class that the ground truth lacks has None and is
    left out of the mean; the mean is None if it lacks all. ``max_detections`` caps the best-scored detections of a
    class in a frame (COCO: 100).
    """
    if len(truths) != len(detections):
        raise ValueError(f"{len(truths)} frames of ground truth, {len(detections)} of detections")
    precision = _precision(truths, detections, len(classes), max_detections)
    present = [number for number in range(len(classes)) if any((truth.classes == number).any() for truth in truths)]
    table = {name: _average(precision[:, :, [n]] if n in present else None) for n, name in enumerate(classes)}
    return _average(precision[:, :, present] if present else None) | {"classes": table}


def _average(precision: np.ndarray | None) -> dict[str, float | None]:
    """The three means of (10, 101, K) interpolated precision."""
    return {
        name: None if precision is None else float(precision[threshold].mean())
        for name, threshold in _THRESHOLDS.items()
    }


def _precision(truths: Sequence, detections: Sequence, classes: int, cap: int | None) -> np.ndarray:
    """Interpolated precision, (10 thresholds, 101 recalls, K classes)."""
    annotations = [item for frame, truth in enumerate(truths, 1) for item in _annotations(frame, truth, classes)]
    dataset = {
        "images": [{"id": frame} for frame in range(1, len(truths) + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
        # COCO tells matched from unmatched by the id: it must not be 0.
        "annotations": [{"id": index} | item for index, item in enumerate(annotations, 1)],
    }
    truth = COCO(dataset)
    found = truth.loadRes([item for frame, each in enumerate(detections, 1) for item in _results(frame, each)])
    evaluation = COCOeval_faster(truth, found, "bbox")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [_ALL_AREAS], ["all"]
    evaluation.params.maxDets = [cap or max((len(each.boxes) for each in detections), default=0) or 1]
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]


def _annotations(frame: int, truth: Truth, classes: int) -> list[dict]:
    result = [
        _box(frame, number, box) | {"area": float(np.prod(box[2:] - box[:2])), "iscrowd": 0}
        for box, number in zip(np.asarray(truth.boxes, np.float64), truth.classes, strict=True)
    ]
    for number in range(classes):  # what is to be ignored is so for every class
        result += [_box(frame, number, box) | {"area": _IGNORED_AREA, "iscrowd": 0} for box in truth.distractors]
        result += [_box(frame, number, box) | {"area": 0.0, "iscrowd": 1} for box in truth.regions]
    return result


def _results(frame: int, found: Detections) -> list[dict]:
    boxes = np.asarray(found.boxes, np.float64)
    return [
        _box(frame, number, box) | {"score": float(score)}
        for box, number, score in zip(boxes, found.classes, found.scores, strict=True)
    ]


def _box(frame: int, number: int, box: np.ndarray) -> dict:
    x1, y1, x2, y2 = (float(value) for value in box)
    return {"image_id": frame, "category_id": int(number) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
