"""TrackEval's HOTA, CLEAR and Identity (arXiv:2009.07736) per class, and of several classes together.

Fields have TrackEval's names; HOTA's are means over its 19 thresholds. `MOTP` is the mean IoU of matched boxes.
TrackMAP is not among them: it knows no box that is dropped before matching, as protocols drop some, and compares each
object with each track in Python, frame by frame, which takes longer than all the others together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from trackeval.metrics import CLEAR, Count, Identity

from stages.scoring.adapter import Frame, class_data, frames_of
from stages.scoring.coverage import mostly_tracked
from stages.scoring.hota import QuickHOTA
from stages.scoring.protocols import SKYWARD, Rules
from stages.sequences.tracks import Tracks

# What each metric says of one class, or of several together: metric name to field to value or (19,) array.
Result = dict[str, dict]

_METRICS = {
    "HOTA": QuickHOTA(),
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
    "HOTA": (*QuickHOTA().float_array_fields, *QuickHOTA().float_fields),
    "CLEAR": ("MOTA", "MOTP", "MODA", "MOTAL", "sMOTA", "CLR_Re", "CLR_Pr", "CLR_F1", "MTR", "PTR", "MLR"),
    "Identity": ("IDF1", "IDR", "IDP"),
}
FIELDS = (*(field for fields in _RATIOS.values() for field in fields), *_COUNTS)  # what `scalars` gives
ALPHA_FIELDS = ("alpha", "HOTA", "DetA", "AssA", "LocA")  # what `curves` gives


def score_sequence(
    gt: np.ndarray,
    purposes: np.ndarray,
    tracks: Tracks,
    length: int,
    classes: Sequence[str],
    where: str,
    rules: Rules = SKYWARD,
    size: tuple[int, int] | None = None,
) -> dict[str, Result]:
    """Score one sequence, class by class; arguments and errors as `adapter.frames_of` has them."""
    return score_frames(frames_of(gt, purposes, tracks, length, where, rules, size), classes, rules)


def score_frames(frames: list[Frame], classes: Sequence[str], rules: Rules = SKYWARD) -> dict[str, Result]:
    """Score one sequence from its frames, class by class."""
    return {name: _evaluate(class_data(frames, number), rules) for number, name in enumerate(classes)}


def over_sequences(results: Mapping[str, Result]) -> Result:
    """One class over several sequences, by name."""
    return _combine(results, lambda metric: metric.combine_sequences)


def pooled(results: Mapping[str, Result]) -> Result:
    """All classes in one pool, matches within each: every box counts once, false alarms of absent classes as well.

    The same as TrackEval's `cls_comb_det_av`: counts are summed, and AssA is the mean over all true positives.
    """
    return _combine(results, lambda metric: metric.combine_classes_det_averaged)


def class_averaged(results: Mapping[str, Result], absent_is_zero: bool = False) -> Result | None:
    """The mean over the classes that the ground truth has; counts are sums over them. None if it has no class.

    TrackEval's `cls_comb_cls_av` where all classes are there. ``absent_is_zero``: over all classes, where every share
    of one that the ground truth lacks is 0; counts are then sums over all.
    """
    taken = results if absent_is_zero else {name: result for name, result in results.items() if has_gt(result)}
    return _weighted(taken, {name: float(has_gt(result)) for name, result in taken.items()}, len(taken))


def detection_weighted(results: Mapping[str, Result]) -> Result | None:
    """The mean over the classes that the ground truth has, weighted by their numbers of annotated boxes.

    Counts are sums over those classes. Each class keeps its own score, which a pool does not: there, HOTA is the
    root of the pool's DetA and AssA, and false alarms of absent classes count. None if there is no class.
    """
    present = {name: result for name, result in results.items() if has_gt(result)}
    weights = {name: float(result["Count"]["GT_Dets"]) for name, result in present.items()}
    return _weighted(present, weights, sum(weights.values()))


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


def _evaluate(data: dict, rules: Rules) -> Result:
    result = {name: metric.eval_sequence(data) for name, metric in _METRICS.items()}
    if rules.mostly_from:
        result["CLEAR"] |= mostly_tracked(data)
    return result


def _combine(results: Mapping[str, Result], how: Callable) -> Result:
    return {
        name: how(metric)({key: result[name] for key, result in results.items()}) for name, metric in _METRICS.items()
    }


def _weighted(results: Mapping[str, Result], weights: Mapping[str, float], total: float) -> Result | None:
    """Shares as sums with ``weights`` over ``total``, counts as sums; None where nothing has a weight."""
    if not any(weights.values()):
        return None
    combined: Result = {}
    for name, metric in _METRICS.items():
        fields = {field: [results[key][name][field] for key in weights] for field in metric.fields}
        shares = (*metric.float_fields, *metric.float_array_fields)
        combined[name] = {
            field: _mean(values, weights.values(), total) if field in shares else sum(values)
            for field, values in fields.items()
        }
    return combined


def _mean(values: list, weights: Iterable[float], total: float) -> float | np.ndarray:
    return sum(weight * np.asarray(value) for value, weight in zip(values, weights, strict=True)) / total
