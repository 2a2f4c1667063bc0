"""BoxMOT's kernels without the work that no track depends on, and without a dependence on the environment.

Profiled over stored detections, a third of the time goes into notes for drawing (a record and a history of boxes of
each track), SciPy's checks around Cholesky factors of 4 x 4 matrices, and what filters keep for nobody. Within
`lean_kernels` these are left out; the tracks are the same bit for bit (tests/tracking/test_equality.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import scipy.linalg
from threadpoolctl import threadpool_limits

from stages.tracking import filters

_BOX = "boxmot.trackers.box"
_NOTES_ON_TRACKS = (
    "boxmot.trackers.common.track_state",
    "boxmot.trackers.common.tracking.track",
    *(f"{_BOX}.{kind}.track" for kind in ("ocsort", "deepocsort", "hybridsort", "boosttrack")),
    *(f"{_BOX}.{kind}.tracker" for kind in ("sfsort", "occluboost")),
)
_HISTORIES = (
    ("boxmot.trackers.common.track_state", "BoxTrack"),
    *((f"{_BOX}.{kind}.track", "KalmanBoxTracker") for kind in ("ocsort", "deepocsort", "hybridsort", "boosttrack")),
    (f"{_BOX}.strongsort.track", "Track"),
)
_MATCHING = "boxmot.trackers.common.association"
_KALMAN = "boxmot.motion.kalman_filters"
_FILTERS = (
    ("base", "BaseKalmanFilter", "project", filters.project),
    ("base", "BaseKalmanFilter", "update", filters.update),
    ("base", "BaseKalmanFilter", "update_state", filters.update_state),
    ("base", "BaseKalmanFilter", "predict_state", filters.predict_state),
    ("xyhr", "KalmanFilterXYHR", "project", filters.project_boost),
    ("xyhr", "ConstantNoiseXYHR", "_default_q", filters.default_q),
    ("xyhr", "ConstantNoiseXYHR", "_default_r", filters.default_r),
    ("xysr", "KalmanFilterXYSR", "freeze", filters.freeze),
    ("xyscr", "KalmanFilterXYSCR", "freeze", filters.freeze),
)
_lock = threading.RLock()


@contextmanager
def lean_kernels() -> Iterator[None]:
    """Run BoxMOT's trackers lean inside; outside they are as BoxMOT made them. One thread at a time.

    NumPy computes with one thread inside: there is a process for every core, which would get in each other's way
    (StrongSORT takes three times as long), and sums that threads share end in other digits.
    """
    with _lock, threadpool_limits(1, user_api="blas"):
        changes = _changes()
        before = [getattr(owner, name) for owner, name, _ in changes]
        try:
            for owner, name, value in changes:
                setattr(owner, name, value)
            yield
        finally:
            for (owner, name, _), value in zip(changes, before, strict=True):
                setattr(owner, name, value)


@cache
def _changes() -> list[tuple[Any, str, Any]]:
    """What is replaced: the owner (a module or class), the name and the replacement."""
    changes: list[tuple[Any, str, Any]] = []
    changes += [(import_module(module), "sync_track_meta", _nothing) for module in _NOTES_ON_TRACKS]
    changes += [(getattr(import_module(m), name), "_append_current_history", _nothing) for m, name in _HISTORIES]
    changes += [(getattr(import_module(f"{_KALMAN}.{m}"), o), name, value) for m, o, name, value in _FILTERS]
    linear = SimpleNamespace(
        cho_factor=filters.cho_factor,
        cho_solve=filters.cho_solve,
        solve_triangular=filters.solve_triangular,
        LinAlgError=scipy.linalg.LinAlgError,
    )
    scipys = SimpleNamespace(linalg=linear)
    changes += [(import_module(f"{_KALMAN}.{module}"), "scipy", scipys) for module in ("base", "xyhr")]
    changes.append((import_module("boxmot.trackers.common.track_state"), "xywh2xyxy", filters.corners))
    stage = import_module(f"{_MATCHING}.stages").run_association_stage
    changes.append((stage, "__kwdefaults__", {"assignment_solver": filters.linear_assignment}))
    # Under GitHub Actions StrongSORT confirms every track at once: tracks would depend on where they are made.
    changes.append((import_module(f"{_BOX}.strongsort.track"), "os", SimpleNamespace(getenv=_unset)))
    return changes


def _nothing(*_: object, **__: object) -> None:
    pass


def _unset(name: str, default: str | None = None) -> str | None:
    return default
