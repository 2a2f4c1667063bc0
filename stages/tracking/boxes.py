"""Geometry of boxes as BoxMOT computes it, to the last bit, in fewer and cheaper steps.

BoxMOT indexes every coordinate apart and checks each conversion; here x and y go together, and one box is a few plain
numbers. Boxes are x1, y1, x2, y2 in pixels; further columns are ignored where nothing is said about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np


def _spread(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (4, N, 1) and (4, 1, M) of two sets of boxes, to be compared pair by pair."""
    return np.asarray(first).T[:4, :, None], np.asarray(second).T[:4, None, :]


def _intersection_over_union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    width, height = np.maximum(0.0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    common = width * height
    one, other = a[2:] - a[:2], b[2:] - b[:2]
    return common / (one[0] * one[1] + other[0] * other[1] - common)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union, (N, M)."""
    return _intersection_over_union(*_spread(first, second))


def distance_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """DIoU, (N, M), brought to 0 to 1."""
    a, b = _spread(first, second)
    apart = ((a[:2] + a[2:]) / 2.0 - (b[:2] + b[2:]) / 2.0) ** 2
    around = (np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])) ** 2
    return (_intersection_over_union(a, b) - (apart[0] + apart[1]) / (around[0] + around[1]) + 1) / 2.0


def buffered_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """BoostTrack's IoU, (N, M), of boxes grown the more, the less sure the second's track is (column 4)."""
    a, b = _spread(first, second)
    doubt = 1 - second[None, :, 4]
    one, other = (a[2:] - a[:2]) * doubt * 0.25, (b[2:] - b[:2]) * doubt * 0.5
    a_low, a_high, b_low, b_high = a[:2] - one, a[2:] + one, b[:2] - other, b[2:] + other
    width, height = np.maximum(0.0, np.minimum(a_high, b_high) - np.maximum(a_low, b_low))
    common = width * height
    a_size, b_size = a_high - a_low, b_high - b_low
    return common / (a_size[0] * a_size[1] + b_size[0] * b_size[1] - common)


def corners(box: np.ndarray) -> np.ndarray:
    """One box x, y (centre), width, height as x1, y1, x2, y2, in its own type of number."""
    half = box[2:4] / 2
    return np.concatenate([box[:2] - half, box[:2] + half])


def centred(box: np.ndarray) -> np.ndarray:
    """One box x1, y1, x2, y2 as x, y (centre), width, height."""
    return np.concatenate([(box[:2] + box[2:4]) / 2, box[2:4] - box[:2]])


def from_centre(box: np.ndarray) -> np.ndarray:
    """One box x, y (centre), width, height as left, top, width, height."""
    return np.concatenate([box[:2] - box[2:4] / 2.0, box[2:4]])


def with_aspect(box: np.ndarray) -> np.ndarray:
    """One box left, top, width, height as x, y (centre), width / height, height."""
    return np.concatenate([box[:2] + box[2:4] / 2, box[2:3] / box[3:4], box[3:4]])


def rows_of(tracks: Sequence[Any]) -> np.ndarray:
    """x1, y1, x2, y2 of ByteTrack's and BoT-SORT's tracks, (N, 4), all with a state or all without."""
    if len({track.mean is None for track in tracks}) > 1:
        return np.asarray([track.xyxy for track in tracks])
    if tracks[0].mean is None:
        boxes = np.array([track.xywh for track in tracks])
    else:
        boxes = np.array([track.mean for track in tracks])[:, :4]
        if hasattr(tracks[0], "xyah"):  # ByteTrack's states have the aspect ratio where BoT-SORT's have the width
            boxes[:, 2] *= boxes[:, 3]
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _box(x: float, y: float, width: float, height: float, *score: float) -> np.ndarray:
    return np.array([[x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0, *score]])


def xysr_box(state: np.ndarray, score: float | None = None) -> np.ndarray:
    """Of a state x, y, area, aspect ratio, the box (1, 4), or (1, 5) with ``score``."""
    x, y, area, ratio = state.ravel()[:4].tolist()
    width = sqrt(max(area * ratio, 1e-12))
    return _box(x, y, width, area / max(width, 1e-6), *(() if score is None else (float(score),)))


def xyscr_box(state: np.ndarray, score: float | None = None) -> np.ndarray:
    """Of a state x, y, area, score, aspect ratio, the box (1, 4), or (1, 5) with the state's score."""
    x, y, area, own, ratio = state.ravel()[:5].tolist()
    width = sqrt(max(area * ratio, 1e-12))
    return _box(x, y, width, area / max(width, 1e-6), *(() if score is None else (own,)))


def xyhr_box(state: np.ndarray, score: float | None = None) -> np.ndarray:
    """Of a state x, y, height, aspect ratio, the box (1, 4), or (1, 5) with ``score``."""
    x, y, height, ratio = state.ravel()[:4].tolist()
    width = 0.0 if ratio <= 0.0 else ratio * height
    return _box(x, y, width, height, *(() if score is None else (float(score),)))


def xyhr_boxes(states: np.ndarray) -> np.ndarray:
    """The boxes (N, 4) of states (N, 4 or more) x, y, height, aspect ratio."""
    height, ratio = states[:, 2], states[:, 3]
    half = np.stack([np.where(ratio <= 0.0, 0.0, ratio * height), height], axis=1) / 2.0
    return np.concatenate([states[:, :2] - half, states[:, :2] + half], axis=1)


def _centre(box: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box[:4].tolist()
    width, height = x2 - x1, y2 - y1
    return x1 + width / 2.0, y1 + height / 2.0, width, height


def xysr(box: np.ndarray) -> np.ndarray:
    """One box as x, y, area, aspect ratio."""
    x, y, width, height = _centre(box)
    return np.array([x, y, width * height, width / (height + 1e-6)])


def xyscr(box: np.ndarray) -> np.ndarray:
    """One box, with its score behind or else 0, as x, y, area, score, aspect ratio."""
    x, y, width, height = _centre(box)
    return np.array([x, y, width * height, float(box[4]) if len(box) > 4 else 0.0, width / (height + 1e-6)])


def xyhr(box: np.ndarray) -> np.ndarray:
    """One box as x, y, height, aspect ratio."""
    x, y, width, height = _centre(box)
    return np.array([x, y, height, width / (height + 1e-6)])


def xyhr_rows(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4 or more) as x, y, height, aspect ratio, (N, 4) float64."""
    values = boxes[:, :4].astype(np.float64)
    size = values[:, 2:] - values[:, :2]
    ratio = size[:, :1] / (size[:, 1:] + 1e-6)
    return np.concatenate([values[:, :2] + size / 2.0, size[:, 1:], ratio], axis=1)
