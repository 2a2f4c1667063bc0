"""BoxMOT's kernels without the work that no track depends on, and without a dependence on the environment.

Profiled over stored detections, three fifths of the time go into notes for drawing, checks of what was checked before
(usable_rows), conversions of one box at a time, matrices that are mostly zeros, and SciPy's and NumPy's own checks
around arrays of a few numbers. Within `lean_kernels` others stand in for these functions of BoxMOT's; the tracks are
the same bit for bit (tests/tracking/test_equality.py).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.linalg
from threadpoolctl import ThreadpoolController

from stages.tracking import appearance, batches, boxes, filters, hybrid, kernels, matching

_BOX = "boxmot.trackers.box"
_COMMON = "boxmot.trackers.common"
_MATCHING = f"{_COMMON}.association"
_KALMAN = "boxmot.motion.kalman_filters"
_STACKING = ("ocsort", "deepocsort", "hybridsort", "boosttrack", "occluboost")
_KINDS = ("bytetrack", "botsort", "strongsort", "sfsort", *_STACKING)
_SORTS = tuple(f"{_BOX}.{kind}.track" for kind in ("ocsort", "deepocsort", "hybridsort", "boosttrack"))
_HISTORIES = (
    (f"{_COMMON}.track_state", "BoxTrack"),
    *((module, "KalmanBoxTracker") for module in _SORTS),
    (f"{_BOX}.strongsort.track", "Track"),
)
# Methods: the module, the class, the name and what stands in for it.
_METHODS = (
    (f"{_KALMAN}.base", "BaseKalmanFilter", "predict", filters.predict),
    (f"{_KALMAN}.base", "BaseKalmanFilter", "multi_predict", filters.multi_predict),
    (f"{_KALMAN}.base", "BaseKalmanFilter", "project", filters.project),
    (f"{_KALMAN}.base", "BaseKalmanFilter", "update", filters.update),
    (f"{_KALMAN}.base", "BaseKalmanFilter", "update_state", filters.update_state),
    (f"{_KALMAN}.base", "BaseKalmanFilter", "predict_state", filters.predict_state),
    (f"{_KALMAN}.xyhr", "KalmanFilterXYHR", "predict", filters.predict_boost),
    (f"{_KALMAN}.xyhr", "KalmanFilterXYHR", "update", filters.update_boost),
    (f"{_KALMAN}.xyhr", "KalmanFilterXYHR", "project", filters.project_boost),
    (f"{_KALMAN}.xyhr", "ConstantNoiseXYHR", "_default_q", filters.default_q),
    (f"{_KALMAN}.xyhr", "ConstantNoiseXYHR", "_default_r", filters.default_r),
    *(
        (f"{_KALMAN}.{module}", owner, name, value)
        for module, owner in (("xysr", "KalmanFilterXYSR"), ("xyscr", "KalmanFilterXYSCR"))
        for name, value in (
            ("freeze", filters.freeze),
            ("_prepare_measurement", filters.measured),
            ("_enforce_state_constraints", filters.constrain),
            ("_correct_observation", filters.correct_observation),
        )
    ),
    (f"{_COMMON}.detections", "_DetectionBatch", "from_layout", classmethod(batches.from_layout)),
    (f"{_COMMON}.detections", "_DetectionBatch", "with_embs", batches.with_embs),
    (f"{_COMMON}.detections", "_DetectionBatch", "as_indexed_detections", batches.indexed),
    (f"{_COMMON}.detections", "_DetectionBatch", "as_box_conf_detections", batches.scored),
    ("boxmot.trackers.base", "BaseTracker", "_association_boxes", batches.association_boxes),
    (f"{_COMMON}.tracking.formatting", "TrackFormattingMixin", "format_output_row", batches.output_row),
    (f"{_COMMON}.tracking.formatting", "TrackFormattingMixin", "format_outputs", batches.output_rows),
    (f"{_MATCHING}.iou", "AssociationFunction", "iou_batch", staticmethod(boxes.iou)),
    (f"{_MATCHING}.iou", "AssociationFunction", "diou_batch", staticmethod(boxes.distance_iou)),
    (f"{_MATCHING}.strongsort", "NearestNeighborDistanceMetric", "distance", appearance.gallery_distance),
    (f"{_BOX}.boosttrack.tracker", "BoostTrack", "get_iou_matrix", kernels.tracked_iou),
    (f"{_BOX}.boosttrack.tracker", "BoostTrack", "get_mh_dist_matrix", kernels.mahalanobis),
    (f"{_BOX}.boosttrack.tracker", "BoostTrack", "dlo_confidence_boost", kernels.boost_likely),
    (f"{_BOX}.hybridsort.track", "KalmanBoxTracker", "predict", hybrid.predict),
    (f"{_BOX}.hybridsort.track", "KalmanBoxTracker", "update", hybrid.update),
    (f"{_BOX}.hybridsort.track", "KalmanBoxTracker", "update_features", hybrid.update_features),
    (f"{_BOX}.occluboost.tracker", "OccluBoost", "_compute_ams_alpha", kernels.trust),
)
# Functions, wherever BoxMOT's modules have them under their names: the module, the name and what stands in for it.
_FUNCTIONS = (
    (f"{_COMMON}.appearance", "normalize_embedding", appearance.normalize_embedding),
    (f"{_COMMON}.appearance", "blend_embeddings", appearance.blend_embeddings),
    (f"{_MATCHING}.matching", "solve_assignment", matching.solve_assignment),
    (f"{_MATCHING}.velocity", "associate", matching.associate),
    (f"{_MATCHING}.boost", "linear_assignment", matching.boost_assignment),
    (f"{_MATCHING}.boost", "MhDist_similarity", matching.mahalanobis_similarity),
    (f"{_MATCHING}.hybrid", "_four_corner_motion_cost", matching.corner_agreement),
    (f"{_MATCHING}.strongsort", "min_cost_matching", kernels.match_at_least_cost),
    (f"{_MATCHING}.strongsort", "gate_cost_matrix", kernels.gate_costs),
    (f"{_COMMON}.geometry", "xywh2xyxy", boxes.corners),
    (f"{_COMMON}.geometry", "xyxy2xywh", boxes.centred),
    (f"{_COMMON}.geometry", "xywh2tlwh", boxes.from_centre),
    (f"{_COMMON}.geometry", "tlwh2xyah", boxes.with_aspect),
    (f"{_COMMON}.motion", "xysr_state_to_xyxy", boxes.xysr_box),
    (f"{_COMMON}.motion", "xyscr_state_to_xyxy", boxes.xyscr_box),
    (f"{_COMMON}.motion", "xyhr_state_to_xyxy", boxes.xyhr_box),
    (f"{_COMMON}.motion", "xyxy_to_xysr_measurement", boxes.xysr),
    (f"{_COMMON}.motion", "xyxy_to_xyscr_measurement", boxes.xyscr),
    (f"{_COMMON}.motion", "xyxy_to_xyhr_measurement", boxes.xyhr),
)
_lock = threading.RLock()


@contextmanager
def lean_kernels() -> Iterator[None]:
    """Run BoxMOT's trackers lean inside; outside they are as BoxMOT made them. One thread at a time.

    NumPy computes with one thread inside: there is a process for every core, which would get in each other's way
    (StrongSORT takes three times as long), and sums that threads share end in other digits.
    """
    with _lock, _pools().limit(limits=1, user_api="blas"):
        changes = _changes()
        before = [_current(owner, name) for owner, name, _ in changes]
        try:
            for owner, name, value in changes:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(changes, before, strict=True):
                setattr(owner, name, value)


@cache
def _pools() -> ThreadpoolController:
    """The loaded libraries' threads; to look for the libraries takes as long as two frames."""
    return ThreadpoolController()


def _current(owner: Any, name: str) -> Any:
    """An attribute as it is kept: of a class, with its `staticmethod` or `classmethod` around it."""
    return vars(owner)[name] if name in vars(owner) else getattr(owner, name)


@cache
def _changes() -> list[tuple[Any, str, Any]]:
    """What is replaced: the owner (a module or class), the name and the replacement."""
    for kind in _KINDS:
        import_module(f"{_BOX}.{kind}.tracker")
    changes: list[tuple[Any, str, Any]] = [*_everywhere(f"{_COMMON}.tracking.track", "sync_track_meta", _nothing)]
    changes += [(getattr(import_module(m), name), "_append_current_history", _nothing) for m, name in _HISTORIES]
    changes += [(getattr(import_module(module), owner), name, value) for module, owner, name, value in _METHODS]
    for function in _FUNCTIONS:
        changes += _everywhere(*function)
    changes += [(import_module(f"{_BOX}.{kind}.tracker"), "np", _numpy()) for kind in _STACKING]
    # To go back to before a gap, filters copy all that they saw, of which they read two observations and change none.
    changes += [(import_module(f"{_KALMAN}.{module}"), "deepcopy", _same) for module in ("xysr", "xyscr")]
    changes.append((import_module(f"{_KALMAN}.base"), "scipy", SimpleNamespace(linalg=_linear())))
    stage = import_module(f"{_MATCHING}.stages").run_association_stage
    changes.append((stage, "__kwdefaults__", {"assignment_solver": matching.linear_assignment}))
    # Under GitHub Actions StrongSORT confirms every track at once: tracks would depend on where they are made.
    changes.append((import_module(f"{_BOX}.strongsort.track"), "os", SimpleNamespace(getenv=_unset)))
    return changes


def _everywhere(module: str, name: str, value: Any) -> list[tuple[Any, str, Any]]:
    """The replacement of a function in every module of BoxMOT's that imported it."""
    function = getattr(import_module(module), name)
    loaded = [each for key, each in sys.modules.items() if key.startswith("boxmot.")]
    return [(each, name, value) for each in loaded if vars(each).get(name) is function]


@cache
def _numpy() -> SimpleNamespace:
    """NumPy as the trackers' loops see it: rows are stacked and left out without checks and masks."""
    masked = SimpleNamespace(masked_invalid=_same, compress_rows=matching.finite_rows)
    return SimpleNamespace(
        **vars(np) | {"ma": masked, "setdiff1d": matching.without, "vstack": hybrid.stacked, "any": matching.has_any}
    )


def _linear() -> SimpleNamespace:
    return SimpleNamespace(
        cho_factor=filters.cho_factor,
        cho_solve=filters.cho_solve,
        solve_triangular=filters.solve_triangular,
        LinAlgError=scipy.linalg.LinAlgError,
    )


def _same(values: Any) -> Any:
    return values


def _nothing(*_: object, **__: object) -> None:
    pass


def _unset(name: str, default: str | None = None) -> str | None:
    return default
