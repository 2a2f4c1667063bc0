"""Detection's average precision and recall as COCO defines them (arXiv:1405.0312, cocodataset.org/#detection-eval).

Average precision of a class is the mean of interpolated precision at 101 recalls; `mAP` is its mean over the IoU
thresholds .50, .55, ... .95, `mAP50` and `mAP75` are those at one threshold; all are means over the classes that the
ground truth has. COCO's cap of 100 detections a frame and class is not applied unless asked for: how many objects a
frame may have is said where detections are made.

`mAP_small`, `mAP_medium` and `mAP_large` are mAP for targets of up to 32^2, up to 96^2 and more pixels^2 in the
source's frames; the area is the box's, which has no outline as COCO's objects have. `AR1`, `AR10` and `AR100` are the
recall reached with so many best-scored detections of a class in a frame, its mean over the ten thresholds and the
classes; `AR_small`, `AR_medium` and `AR_large` are that by size, over all detections.

What is neither to be found nor a mistake when found:

- a distractor is an ignored box: at each threshold it takes one detection that no target takes, matched by IoU. It is
  so for every class, or for its own alone: a car below `min_visibility` excuses a car, and no person, as in tracking;
- a region, for every class, is a COCO crowd: it takes every detection that no target takes and whose share of own area
  inside it reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from stages.scoring.protocols import class_of_own_distractor, is_own_distractor
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, LEFT, REGION, corners

_NO_BOXES = np.zeros((0, 4))
_ALL_AREAS = [0.0, 1e10]
_IGNORED_AREA = 2e10  # outside `_ALL_AREAS`: COCO ignores such a box and still matches it one to one
_THRESHOLDS = {"mAP": slice(None), "mAP50": 0, "mAP75": 5}
_SIZES = {"small": [0.0, 32.0**2], "medium": [32.0**2, 96.0**2], "large": [96.0**2, 1e10]}
_BLOCK = 100  # frames whose boxes faster-coco-eval is given at a time
_CATEGORY = 1  # every class is evaluated by itself, under this number
_MEASURED = ("precision", "recall")
_CAPS = (1, 10, 100)  # detections of a class in a frame that recall is measured with
FIELDS = (  # what `coco_scores` gives
    *_THRESHOLDS,
    *(f"mAP_{size}" for size in _SIZES),
    *(f"AR{cap}" for cap in _CAPS),
    *(f"AR_{size}" for size in _SIZES),
)


@dataclass(frozen=True)
class Truth:
    """One frame's ground truth; boxes are x1, y1, x2, y2 in pixels."""

    boxes: np.ndarray  # (N, 4) targets
    classes: np.ndarray  # (N,) from 0
    distractors: np.ndarray = field(default_factory=lambda: _NO_BOXES)  # (D, 4)
    regions: np.ndarray = field(default_factory=lambda: _NO_BOXES)  # (R, 4)
    own_distractors: np.ndarray = field(default_factory=lambda: _NO_BOXES)  # (O, 4) to one class alone
    own_classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (O,) that class, from 0


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame; boxes are x1, y1, x2, y2 in pixels."""

    boxes: np.ndarray  # (N, 4)
    scores: np.ndarray  # (N,)
    classes: np.ndarray  # (N,) from 0


def truth_of(gt: np.ndarray, purposes: np.ndarray) -> Truth:
    """One frame's ground truth from its rows (N, 9) and what each is for (N,), see `protocols.roles`."""
    boxes = corners(gt[:, LEFT : HEIGHT + 1])
    targets, own = purposes >= 0, is_own_distractor(purposes)
    return Truth(
        boxes[targets],
        purposes[targets],
        boxes[purposes == DISTRACTOR],
        boxes[purposes == REGION],
        boxes[own],
        class_of_own_distractor(purposes[own]),
    )


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
    cap = max_detections or _most(detections)
    precision = _evaluated(truths, detections, len(classes), {"all": _ALL_AREAS}, [cap])["precision"][..., 0, 0]
    present = [number for number in range(len(classes)) if any((truth.classes == number).any() for truth in truths)]
    table = {name: _average(precision[:, :, [n]] if n in present else None) for n, name in enumerate(classes)}
    return _average(precision[:, :, present] if present else None) | {"classes": table}


def coco_scores(truths: Sequence[Truth], detections: Sequence[Detections], classes: Sequence[str]) -> dict:
    """``{field: value for FIELDS} | {"classes": {name: {field: value}}}``, each from 0 to 1.

    Arguments as `mean_average_precision` has them. What the ground truth has no target for, in a class or of a size,
    is None; means are over the classes that have some.
    """
    caps = [*_CAPS, max(_CAPS[-1], _most(detections))]
    measured = _evaluated(truths, detections, len(classes), {"all": _ALL_AREAS} | _SIZES, caps)
    table = {name: _fields(measured, [number]) for number, name in enumerate(classes)}
    return _fields(measured, range(len(classes))) | {"classes": table}


def _fields(measured: Mapping[str, np.ndarray], numbers: Sequence[int]) -> dict[str, float | None]:
    """The means over the classes of these ``numbers``, by the names in `FIELDS`."""
    precision, recall = measured["precision"][:, :, numbers], measured["recall"][:, numbers]
    values = [precision[of, ..., 0, -1] for of in _THRESHOLDS.values()]
    values += [precision[..., area, -1] for area in range(1, len(_SIZES) + 1)]
    values += [recall[:, :, 0, cap] for cap in range(len(_CAPS))]
    values += [recall[:, :, area, -1] for area in range(1, len(_SIZES) + 1)]
    return {name: _mean(each) for name, each in zip(FIELDS, values, strict=True)}


def _mean(values: np.ndarray) -> float | None:
    """The mean without COCO's -1, which stands where there is no target; None where there is nothing else."""
    known = values[values > -1]
    return float(known.mean()) if len(known) else None


def _average(precision: np.ndarray | None) -> dict[str, float | None]:
    """The three means of (10, 101, K) interpolated precision."""
    return {
        name: None if precision is None else float(precision[threshold].mean())
        for name, threshold in _THRESHOLDS.items()
    }


def _most(detections: Sequence[Detections]) -> int:
    """The most detections that a frame has; COCO wants at least 1."""
    return max((len(each.boxes) for each in detections), default=0) or 1


def _evaluated(
    truths: Sequence[Truth],
    detections: Sequence[Detections],
    classes: int,
    areas: Mapping[str, list[float]],
    caps: list[int],
) -> dict[str, np.ndarray]:
    """COCO's interpolated precision, (10 thresholds, 101 recalls, K classes, areas, caps), and recall without the 101.

    -1 stands where there is no target.
    """
    if len(truths) != len(detections):
        raise ValueError(f"{len(truths)} frames of ground truth, {len(detections)} of detections")
    parts = [_of_class(truths, detections, number, areas, caps) for number in range(classes)]
    return {name: np.concatenate([each[name] for each in parts], axis=-3) for name in _MEASURED}


def _of_class(
    truths: Sequence[Truth],
    detections: Sequence[Detections],
    number: int,
    areas: Mapping[str, list[float]],
    caps: list[int],
) -> dict[str, np.ndarray]:
    """As `_evaluated`, for one class.

    faster-coco-eval wants a dictionary for each box: those of a few frames are held at a time, and what is matched in
    them, which takes far less room, is kept for one class.
    """
    found: dict[str, list] = {area: [] for area in areas}
    for start in range(0, len(truths), _BLOCK):
        block = slice(start, start + _BLOCK)
        matched, frames = _matched(truths[block], detections[block], number, areas, caps), len(truths[block])
        for place, items in enumerate(found.values()):
            items += matched[place * frames : (place + 1) * frames]
    parts = [_accumulated(found.pop(area), len(truths), {area: areas[area]}, caps) for area in areas]
    return {name: np.concatenate([each[name] for each in parts], axis=-2) for name in _MEASURED}


def _matched(
    truths: Sequence[Truth],
    detections: Sequence[Detections],
    number: int,
    areas: Mapping[str, list[float]],
    caps: list[int],
) -> list:
    """What is matched of a class in a few frames: faster-coco-eval's item for each frame, area after area."""
    annotations = [item for frame, truth in enumerate(truths, 1) for item in _annotations(frame, truth, number)]
    results = [item for frame, each in enumerate(detections, 1) for item in _results(frame, each, number)]
    evaluation = _evaluation(areas, caps, *(_dataset(items, len(truths)) for items in (annotations, results)))
    evaluation.evaluate()
    return evaluation._evalImgs_cpp


def _accumulated(items: list, frames: int, areas: Mapping[str, list[float]], caps: list[int]) -> dict[str, np.ndarray]:
    """What the ``items`` of all ``frames`` come to, see `_matched`."""
    evaluation = _evaluation(areas, caps)
    evaluation.params.imgIds, evaluation.params.catIds = list(range(1, frames + 1)), [_CATEGORY]
    evaluation._paramsEval, evaluation._evalImgs_cpp = evaluation.params, items
    evaluation.accumulate()
    return {name: np.asarray(evaluation.eval[name]) for name in _MEASURED}


def _evaluation(areas: Mapping[str, list[float]], caps: list[int], *data: COCO) -> COCOeval_faster:
    """Matching and accumulating apart, which is the same arithmetic as at once."""
    result = COCOeval_faster(*data, iouType="bbox", separate_eval=True)
    result.params.areaRng, result.params.areaRngLbl, result.params.maxDets = list(areas.values()), list(areas), caps
    return result


def _dataset(items: list[dict], frames: int) -> COCO:
    """Boxes of one class as COCO has them; not by `COCO.loadRes`, which adds an outline to each."""
    return COCO(
        {
            "images": [{"id": frame} for frame in range(1, frames + 1)],
            "categories": [{"id": _CATEGORY, "name": "class"}],
            # COCO tells matched from unmatched by the id: it must not be 0.
            "annotations": [{"id": index} | item for index, item in enumerate(items, 1)],
        }
    )


def _annotations(frame: int, truth: Truth, number: int) -> list[dict]:
    targets = np.asarray(truth.boxes, np.float64)[truth.classes == number]
    ignored = [*truth.distractors, *truth.own_distractors[truth.own_classes == number]]
    result = [_box(frame, box) for box in targets]
    result += [_box(frame, box) | {"area": _IGNORED_AREA} for box in ignored]
    return result + [_box(frame, box) | {"area": 0.0, "iscrowd": 1} for box in truth.regions]


def _results(frame: int, found: Detections, number: int) -> list[dict]:
    mine = found.classes == number
    boxes, scores = np.asarray(found.boxes, np.float64)[mine], found.scores[mine]
    return [_box(frame, box) | {"score": float(score)} for box, score in zip(boxes, scores, strict=True)]


def _box(frame: int, box: np.ndarray) -> dict:
    x1, y1, x2, y2 = (float(value) for value in box)
    bounds = [x1, y1, x2 - x1, y2 - y1]
    return {"image_id": frame, "category_id": _CATEGORY, "bbox": bounds, "area": bounds[2] * bounds[3], "iscrowd": 0}
