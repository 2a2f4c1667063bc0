"""HybridSORT's tracks, to the last bit: four corners' directions from shared differences, a bank that keeps its mean.

Each function stands in for the method of its name of BoxMOT's class of tracks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np
from boxmot.trackers.box.hybridsort.track import KalmanBoxTracker

from stages.tracking import matching

_update, _update_features = KalmanBoxTracker.update, KalmanBoxTracker.update_features


class Bank:
    """A track's last ``most`` embeddings (D,), of which nothing but the mean is asked: it yields itself alone."""

    def __init__(self, most: int):
        self._most, self._rows, self._end, self._count = most, np.empty((0, 0)), 0, 0
        self._mean: np.ndarray | None = None

    def __len__(self) -> int:
        return self._count

    def append(self, embedding: np.ndarray) -> None:
        """Add one, and let the oldest go if there are too many."""
        if self._end == len(self._rows):
            self._make_room(embedding)
        self._rows[self._end] = embedding
        self._end += 1
        self._count, self._mean = min(self._count + 1, self._most), None

    def _make_room(self, embedding: np.ndarray) -> None:
        kept = self._rows[self._end - self._count : self._end]
        rows = np.empty((2 * self._count + 8, len(embedding)), embedding.dtype)
        rows[: self._count] = kept if self._count else 0
        self._rows, self._end = rows, self._count

    def __iter__(self) -> Iterator[Bank]:
        yield self

    def mean(self, axis: int) -> np.ndarray:
        """The mean (D,) of the embeddings, made once."""
        if self._mean is None:
            rows = self._rows[self._end - self._count : self._end]
            self._mean = np.add.reduce(rows, axis=axis) / self._count
        return self._mean


def stacked(rows: Sequence[Any]) -> Any:
    """`numpy.vstack` of arrays (D,); a bank is a stack already."""
    return rows[0] if isinstance(rows[0], Bank) else matching.stacked(rows)


def update_features(self: Any, feat: np.ndarray, score: float = -1.0) -> None:
    """Take a detection's look into the track's, and into its bank."""
    if not isinstance(self.features, Bank):
        self.features = Bank(self.features.maxlen)
    _update_features(self, feat, score)


def predict(self: Any, *, dt: float | None = None) -> tuple[np.ndarray, float, float]:
    """Move a track on by a frame (by ``dt`` seconds): its box (1, 4), and its score by the filter and by its course."""
    state = self.kf.x
    if (1.0 if dt is None else dt) * state.item(7) + state.item(2) <= 0:
        state[7] *= 0.0
    self.kf.predict(dt=dt)
    self.age += 1
    if self.time_since_update > 0:
        self.hit_streak = 0
    self.time_since_update += 1
    box = self.motion_model.to_box(self.kf.x)
    self.history.append(box)
    course = self.conf - (self.confidence_pre - self.conf) if self.confidence_pre else self.conf
    by_filter = min(max(self.kf.x.item(3), self.track_thresh), 1.0)
    return box, by_filter, min(max(course, 0.1), self.track_thresh)


def update(
    self: Any,
    bbox: np.ndarray | None,
    id_feature: np.ndarray | None,
    update_feature: bool = True,
    *,
    cls: int | None = None,
    det_ind: int | None = None,
) -> None:
    """Correct a track by a detection (5,), or note that there is none; BoxMOT's own while boxes are single floats."""
    if bbox is None:
        self.kf.update(None)
        self.confidence_pre = None
        return
    if self.last_observation[-1] >= 0:
        past = _past(self)
        if past[0].dtype != np.float64:
            _update(self, bbox, id_feature, update_feature, cls=cls, det_ind=det_ind)
            return
        self.velocity_lt, self.velocity_rt, self.velocity_lb, self.velocity_rb = _directions(past, bbox)
    self.observations[self.age] = self.last_observation = self.last_observation_save = bbox.copy()
    self._prune_observations()
    self.history.clear()
    self.time_since_update = 0
    self.hits += 1
    self.hit_streak += 1
    self.kf.update(self.motion_model.to_measurement(bbox))
    self.cls, self.det_ind = cls, det_ind
    if update_feature:
        self.update_features(id_feature, *((bbox[-1],) if self.adapfs else ()))
    self.confidence_pre, self.conf = self.conf, float(bbox[-1])


def _past(track: Any) -> list[np.ndarray]:
    """The observations of the last `delta_t` frames, newest first, or else the last one there is."""
    ages = range(track.age - 1, track.age - 1 - track.delta_t, -1)
    return [track.observations[age] for age in ages if age in track.observations] or [track.last_observation]


def _directions(past: Sequence[np.ndarray], box: np.ndarray) -> np.ndarray:
    """From each of ``past`` to ``box``, summed: (4, 2) dy, dx of left top, left bottom, right top, right bottom."""
    left, top, right, bottom = box[:4].tolist()
    total = [0.0] * 8
    for row in past:
        x1, y1, x2, y2 = row[:4].tolist()
        dx, dy = (left - x1, right - x2), (top - y1, bottom - y2)
        x_squared, y_squared = (dx[0] ** 2, dx[1] ** 2), (dy[0] ** 2, dy[1] ** 2)
        for corner in range(4):
            side, edge = corner >> 1, corner & 1
            norm = sqrt(y_squared[edge] + x_squared[side]) + 1e-6
            total[2 * corner] += dy[edge] / norm
            total[2 * corner + 1] += dx[side] / norm
    return np.array(total).reshape(4, 2)
