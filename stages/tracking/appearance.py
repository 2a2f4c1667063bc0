"""Appearance as BoxMOT's trackers keep and compare it, to the last bit, without its copies and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def normalize_embedding(embedding: np.ndarray, eps: float = 1e-12) -> np.ndarray:
    """An embedding (D,), float, brought to length 1; zeros for one without a length."""
    norm = float(np.sqrt(embedding.dot(embedding)))
    return np.zeros_like(embedding) if norm <= eps else embedding / norm


def blend_embeddings(
    previous: np.ndarray | None,
    current: np.ndarray,
    previous_weight: float,
    current_weight: float,
    eps: float = 1e-12,
) -> np.ndarray:
    """The weighted mean of two embeddings (D,), of length 1."""
    if previous is None:
        return normalize_embedding(current, eps)
    return normalize_embedding(float(previous_weight) * previous + float(current_weight) * current, eps)


def gallery_distance(self: Any, features: np.ndarray, targets: Sequence[int]) -> np.ndarray:
    """StrongSORT's cosine distances (targets, features), each to the nearest of what is kept of a target."""
    found = _unit(np.asarray(features)).T
    cost = np.zeros((len(targets), len(features)))
    for row, target in enumerate(targets):
        cost[row] = (1.0 - np.dot(_unit(np.asarray(self.samples[target])), found)).min(axis=0)
    return cost


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt(np.add.reduce(rows * rows, axis=1, keepdims=True))


def weigh_by_margin(cost: np.ndarray, weight: float, bottom: float = 0.5) -> np.ndarray:
    """Deep OC-SORT's similarities (N, M) by appearance, each weighted by how clearly its row's and its column's best
    leaves the second best behind."""
    weights = np.full_like(cost, weight)
    if cost.shape[1] > 1:
        weights *= _margins(cost, bottom)[:, None]
    if cost.shape[0] > 1:
        weights *= _margins(cost.T, bottom)
    return weights * cost


def _margins(cost: np.ndarray, bottom: float) -> np.ndarray:
    ordered = np.sort(-cost, axis=1)
    best, second = -ordered[:, 0], -ordered[:, 1]
    nothing = best == 0
    ratio = second / np.where(nothing, best.dtype.type(1), best)
    margins = 1 - np.maximum(ratio - bottom, 0) / (1 - bottom)
    margins[nothing] = 0
    return margins
