"""Overlap of boxes given as left, top, width, height in pixels."""

from __future__ import annotations

import numpy as np


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of (N, 4) with (M, 4) boxes, (N, M); 0 for a box without area."""
    shared = _intersection(boxes, others)
    union = _area(boxes)[:, None] + _area(others)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def share_inside(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """The largest share of each box's own area that lies inside one region: (N, 4), (M, 4) to (N,)."""
    shared = _intersection(boxes, regions).max(axis=1, initial=0)
    return np.divide(shared, _area(boxes), out=np.zeros(len(boxes)), where=shared > 0)


def _intersection(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shared area, (N, M); 0 where a box has no positive width or height."""
    (x1, y1, x2, y2), (u1, v1, u2, v2) = _corners(boxes), _corners(others)
    width = np.minimum(x2[:, None], u2) - np.maximum(x1[:, None], u1)
    height = np.minimum(y2[:, None], v2) - np.maximum(y1[:, None], v1)
    return np.maximum(width, 0) * np.maximum(height, 0)


def _corners(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    left, top, width, height = boxes.T
    return left, top, left + width, top + height


def _area(boxes: np.ndarray) -> np.ndarray:
    # From the corners, as the intersection is: a box has overlap exactly 1 with itself.
    x1, y1, x2, y2 = _corners(boxes)
    return (x2 - x1) * (y2 - y1)
