"""TrackEval's HOTA, CLEAR and Identity (arXiv:2009.07736) per class, class-averaged and pooled.

Fields have TrackEval's names; HOTA's are means over its 19 thresholds. `MOTP` is the mean IoU of matched boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Count, Identity

from stages.scoring.adapter import class_data, frames_of
from stages.sequences.tracks import Tracks

# What each metric says of one class, or of several together: metric name to field to value or (19,) array.
Result = dict[str, dict]

_METRICS = {
    "HOTA": HOTA(),
    "CLEAR": CLEAR({"PRINT_CONFIG": False}),
    "Identity": Identity({"PRINT_CONFIG": False}),
    "Count": Count(),
}
_COUNTS = {  # whole numbers, by our names: TrackEval's metric and field
    "TP": ("CLEAR", "CLR_TP"),
    "FN": ("CLEAR", "CLR_FN"),
    "FP": ("CLEAR", "CLR_FP"),
    "IDSW": ("CLEAR", "IDSW"),
    "MT": ("CLEAR", "MT"),
    "PT": ("CLEAR", "PT"),
    "ML": ("CLEAR", "ML"),
    "Frag": ("CLEAR", "Frag"),
    "IDTP": ("Identity", "IDTP"),
    "IDFN": ("Identity", "IDFN"),
    "IDFP": ("Identity", "IDFP"),
    "GT_Dets": ("Count", "GT_Dets"),
    "GT_IDs": ("Count", "GT_IDs"),
    "Dets": ("Count", "Dets"),
    "IDs": ("Count", "IDs"),
}
_RATIOS = {  # the metric's fields that are shares of something; undefined without ground truth
    "HOTA": (*HOTA().float_array_fields, *HOTA().float_fields),
    "CLEAR": ("MOTA", "MOTP", "MODA", "MOTAL", "sMOTA", "CLR_Re", "CLR_Pr", "CLR_F1", "MTR", "PTR", "MLR"),
    "Identity": ("IDF1", "IDR", "IDP"),
}
FIELDS = (*(field for fields in _RATIOS.values() for field in fields), *_COUNTS)  # what `scalars` gives
ALPHA_FIELDS = ("alpha", "HOTA", "DetA", "AssA", "LocA")  # what `curves` gives


def score_sequence(
    gt: np.ndarray, purposes: np.ndarray, tracks: Tracks, length: int, classes: Sequence[str], where: str
) -> dict[str, Result]:
    """Score one sequence, class by class; arguments and errors as `adapter.frames_of` has them."""
    frames = frames_of(gt, purposes, tracks, length, where)
    return {name: _evaluate(class_data(frames, number)) for number, name in enumerate(classes)}


def over_sequences(results: Mapping[str, Result]) -> Result:
    """One class over several sequences, by name."""
    return _combine(results, lambda metric: metric.combine_sequences)


def pooled(results: Mapping[str, Result]) -> Result:
    """All classes together: every box counts once, false alarms of classes without ground truth as well."""
    return _combine(results, lambda metric: metric.combine_classes_det_averaged)


def class_averaged(results: Mapping[str, Result]) -> Result | None:
    """The mean over the classes that the ground truth has; counts are sums over them. None if it has no class."""
    present = {name: result for name, result in results.items() if has_gt(result)}
    return _combine(present, lambda metric: metric.combine_classes_class_averaged) if present else None


def has_gt(result: Result) -> bool:
    """Whether the ground truth has boxes of the class or classes."""
    return result["Count"]["GT_Dets"] > 0


def scalars(result: Result) -> dict[str, float | int | None]:
    """A result as one number per field, rounded to 6 digits; a share is None where there is no ground truth."""
    defined = has_gt(result)
    shares = {field: float(np.mean(result[name][field])) for name, fields in _RATIOS.items() for field in fields}
    counts = {field: int(result[name][theirs]) for field, (name, theirs) in _COUNTS.items()}
    return {field: round(value, 6) if defined else None for field, value in shares.items()} | counts


def curves(result: Result) -> list[dict[str, float]]:
    """HOTA, DetA, AssA and LocA over alpha, one row per threshold; none where there is no ground truth."""
    if not has_gt(result):
        return []
    values = [_METRICS["HOTA"].array_labels, *(result["HOTA"][field] for field in ALPHA_FIELDS[1:])]
    return [dict(zip(ALPHA_FIELDS, row, strict=True)) for row in np.round(np.stack(values, axis=1), 6).tolist()]


def _evaluate(data: dict) -> Result:
    return {name: metric.eval_sequence(data) for name, metric in _METRICS.items()}


def _combine(results: Mapping[str, Result], how: Callable) -> Result:
    return {
        name: how(metric)({key: result[name] for key, result in results.items()}) for name, metric in _METRICS.items()
    }
