"""Boxes as x1, y1, x2, y2 in pixels: overlap, area, and how much of a map lies inside."""

from __future__ import annotations

import numpy as np


def iou_with(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of ``box`` (4,) with ``others`` (N, 4): (N,); 0 where a box has no area."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    union = area(box) + np.maximum(others[:, 2:] - others[:, :2], 0).prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros(len(others)), where=shared > 0)


def area(box: np.ndarray) -> float:
    """Square pixels of ``box`` (4,)."""
    return float(np.maximum(box[2:] - box[:2], 0).prod())


def share_inside(heat: np.ndarray, box: np.ndarray) -> float:
    """The share of a map's sum (H, W) that lies in ``box``; pixels count by how much of them is inside. 0 of nothing.

    With a map of ones it is the share of the frame that the box takes up.
    """
    down, across = (_covered(box[axis], box[axis + 2], heat.shape[1 - axis]) for axis in (1, 0))
    total = float(heat.sum(dtype=np.float64))
    return float(down @ heat.astype(np.float64) @ across) / total if total > 0 else 0.0


def _covered(start: float, stop: float, length: int) -> np.ndarray:
    """How much of each of ``length`` pixels in a row lies between ``start`` and ``stop``, (length,) 0 to 1."""
    first = np.arange(length)
    return np.clip(np.minimum(first + 1, stop) - np.maximum(first, start), 0, 1)
