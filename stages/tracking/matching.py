"""Pairing detections with tracks as BoxMOT does it, to the last bit, without what decides nothing.

Each function stands in for BoxMOT's of the same place (lean.py). Cheaper, because costs are made only where more than
one pairing is possible, and because what is left alone is found by masks instead of searches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lap
import numpy as np
from boxmot.trackers.common.tracking.records import AssociationResult

from stages.tracking.appearance import weigh_by_margin

_NO_PAIRS = np.empty((0, 2), dtype=int)


def solve_assignment(cost: np.ndarray, cost_limit: float | None = None) -> np.ndarray:
    """Pairs (row, column), (K, 2), of least cost in all, each below ``cost_limit``."""
    if not cost.size:
        return _NO_PAIRS.copy()
    limit = {} if cost_limit is None else {"cost_limit": cost_limit}
    columns = lap.lapjv(cost, extend_cost=True, return_cost=False, **limit)[0]
    rows = np.flatnonzero(columns >= 0)
    return np.array([rows, columns[rows]], dtype=int).T


def linear_assignment(cost: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (row, column) of least cost below ``threshold``, and the rows and columns without one, ascending."""
    if not cost.size:
        return _NO_PAIRS.copy(), np.arange(cost.shape[0]), np.arange(cost.shape[1])
    pairs = solve_assignment(cost, threshold)
    return pairs, *_alone(pairs, cost.shape)


def _alone(pairs: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in no pair, ascending."""
    rows, columns = np.ones(shape[0], bool), np.ones(shape[1], bool)
    rows[pairs[:, 0]] = columns[pairs[:, 1]] = False
    return np.flatnonzero(rows), np.flatnonzero(columns)


def _only_pairs(similarity: np.ndarray, threshold: float) -> np.ndarray | None:
    """The pairs above ``threshold``, if no row and no column has two of them and there is one; else None."""
    fits = similarity > threshold
    rows, columns = fits.sum(axis=1), fits.sum(axis=0)
    return np.argwhere(fits) if rows.max() == 1 and columns.max() == 1 else None


def _accepted(pairs: np.ndarray, good: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """The ``good`` ones of ``pairs``; rows and columns alone, then those of the pairs that are not good."""
    rows, columns = _alone(pairs, shape)
    if good.all():
        return pairs, rows, columns
    bad = pairs[~good]
    return pairs[good], np.concatenate([rows, bad[:, 0]]), np.concatenate([columns, bad[:, 1]])


def associate(
    detections: np.ndarray,
    tracks: np.ndarray,
    similarity_of: Callable,
    threshold: float,
    velocities: np.ndarray,
    previous: np.ndarray,
    inertia: float,
    emb_cost: np.ndarray | None = None,
    w_assoc_emb: float | None = None,
    aw_off: bool | None = None,
    aw_param: float | None = None,
    is_obb: bool = False,
) -> AssociationResult:
    """OC-SORT's and Deep OC-SORT's first pass: by geometry, direction of motion and appearance."""
    shape = len(detections), len(tracks)
    if not min(shape):
        return AssociationResult(_NO_PAIRS.copy(), np.arange(shape[0]), np.arange(shape[1]))
    similarity = similarity_of(detections, tracks)
    pairs = _only_pairs(similarity, threshold)
    if pairs is None:
        appearance: np.ndarray | int = 0
        if emb_cost is not None:
            emb_cost[similarity <= 0] = 0
            appearance = emb_cost * w_assoc_emb if aw_off else weigh_by_margin(emb_cost, w_assoc_emb, aw_param)
        pairs = solve_assignment(-(similarity + _agreement(detections, velocities, previous, inertia) + appearance))
    good = ~(similarity[pairs[:, 0], pairs[:, 1]] < threshold)
    pairs, rows, columns = _accepted(pairs, good, shape)
    return AssociationResult(pairs[:, ::-1], rows, columns)


def _agreement(detections: np.ndarray, velocities: np.ndarray, previous: np.ndarray, inertia: float) -> np.ndarray:
    """How well tracks' directions agree with the way to each detection, (detections, tracks)."""
    was = previous[..., np.newaxis]
    dx = (detections[:, 0] + detections[:, 2]) / 2.0 - (was[:, 0] + was[:, 2]) / 2.0
    dy = (detections[:, 1] + detections[:, 3]) / 2.0 - (was[:, 1] + was[:, 3]) / 2.0
    norm = np.sqrt(dx**2 + dy**2) + 1e-6
    cosine = velocities[:, 1:2] * (dx / norm) + velocities[:, :1] * (dy / norm)
    angle = (np.pi / 2.0 - np.abs(np.arccos(np.minimum(np.maximum(cosine, -1), 1)))) / np.pi
    seen = np.where(previous[:, 4:5] < 0, 0.0, 1.0)
    return (seen * angle * inertia).T * detections[:, -1:]


def corner_agreement(
    detections: np.ndarray, previous: np.ndarray, velocities: tuple[np.ndarray, ...], weight: float
) -> np.ndarray:
    """HybridSORT's agreement of the directions of four corners, (detections, tracks)."""
    x, y = [0, 0, 2, 2], [1, 3, 1, 3]
    dx = detections.T[x, None, :] - previous.T[x, :, None]
    dy = detections.T[y, None, :] - previous.T[y, :, None]
    norm = np.sqrt(dx**2 + dy**2) + 1e-6
    speed = np.array(velocities)
    cosine = speed[:, :, 1:] * (dx / norm) + speed[:, :, :1] * (dy / norm)
    angle = (np.pi / 2.0 - np.abs(np.arccos(np.minimum(np.maximum(cosine, -1.0), 1.0)))) / np.pi
    seen = (previous[:, 4:5] >= 0).astype(float)
    each = (seen * angle * weight).transpose(0, 2, 1) * detections[:, -1:]
    return each[0] + each[1] + each[2] + each[3]


def boost_assignment(
    detections: np.ndarray,
    tracks: np.ndarray,
    similarity: np.ndarray,
    cost: np.ndarray,
    threshold: float,
    emb_cost: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """BoostTrack's pairs; a pair of weak geometry needs a look much alike."""
    shape = len(detections), len(tracks)
    if not cost.size:
        return _NO_PAIRS.copy(), np.arange(shape[0]), np.arange(shape[1]), cost
    pairs = _only_pairs(cost, threshold)
    if pairs is None:
        pairs = solve_assignment(-cost)
    found = similarity[pairs[:, 0], pairs[:, 1]]
    good = found >= threshold
    if emb_cost is not None:
        good |= (found >= threshold / 2) & (emb_cost[pairs[:, 0], pairs[:, 1]] >= 0.75)
    return *_accepted(pairs, good, shape), cost


def mahalanobis_similarity(distance: np.ndarray, softmax_temp: float = 1.0) -> np.ndarray:
    """BoostTrack's similarity by motion, (detections, tracks); none beyond the distance of 99 %."""
    limit = 13.2767
    far = distance > limit
    near = np.exp((limit - np.where(far, limit, distance)) / softmax_temp)
    return np.where(far, 0, near / near.sum(0).reshape((1, -1)))


def without(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`numpy.setdiff1d` of small arrays of indices."""
    return np.array(sorted(set(values.tolist()) - set(others.tolist())), dtype=int)


def stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    """`numpy.vstack` of arrays (D,)."""
    return np.concatenate(rows).reshape(len(rows), -1)


def has_any(values: np.ndarray) -> bool:
    """`numpy.any` of an array."""
    return values.any()


def finite_rows(rows: np.ndarray) -> np.ndarray:
    """The rows (N, D) without an infinite number or none."""
    keep = np.isfinite(rows).all(axis=1)
    return rows if keep.all() else rows[keep]
