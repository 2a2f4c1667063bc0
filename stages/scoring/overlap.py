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


def pixels_inside(boxes: np.ndarray, regions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The share of each box's pixels that lie in the union of regions: (N, 4), (M, 4), (width, height) to (N,).

    In whole pixels, which count from 1, by the arithmetic of VisDrone's dropObjects.m: places and sizes are rounded and
    at least 1, regions are cut at the frame and hold their last row and column, boxes do not hold their first.
    """
    spans, areas = [], _whole(boxes)[:, 2] * _whole(boxes)[:, 3]
    for axis in (0, 1):
        first, length = _whole(boxes)[:, axis], _whole(boxes)[:, axis + 2]
        start = np.minimum(first, size[axis])
        begin, end = _whole(regions)[:, axis], _whole(regions)[:, axis] + _whole(regions)[:, axis + 2]
        spans.append((start, np.minimum(start + length, size[axis]), begin - 1, np.minimum(end, size[axis])))
    (left, right, *columns), (top, bottom, *rows) = spans
    # The regions' edges cut the frame into cells that lie inside the union or outside.
    x, y = (np.unique(np.concatenate(edges)) for edges in (columns, rows))
    across = (x[:-1, None] >= columns[0]) & (x[1:, None] <= columns[1])  # (cells, M)
    down = (y[:-1, None] >= rows[0]) & (y[1:, None] <= rows[1])
    union = np.matmul(down.astype(int), across.astype(int).T) > 0
    return (_lengths(top, bottom, y) @ union * _lengths(left, right, x)).sum(axis=1) / areas


def _whole(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(np.floor(boxes + 0.5), 1)  # halves go up, as MATLAB rounds


def _lengths(starts: np.ndarray, ends: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How much of each cell between ``edges`` (C + 1,) lies between starts and ends (N,): (N, C)."""
    return np.maximum(np.minimum(ends[:, None], edges[1:]) - np.maximum(starts[:, None], edges[:-1]), 0)


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
