"""Kalman states and observations of BoxMOT's tracks, moved with the image by an affine warp, in closed form.

The upright box around a warped box has the centre A c + t and the size |A| (w, h), |A| without signs: linear. What a
filter makes of width and height (area, aspect ratio) has a Jacobian of four numbers. States are, by tracker:
BoT-SORT x y w h; StrongSORT x y (w/h) h; Deep OC-SORT x y (wh) (w/h); HybridSORT x y (wh) score (w/h); each with the
velocities behind. BoxMOT's own steps do the same by numerical Jacobians.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import hypot, isfinite, sqrt
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Warp:
    """An affine warp: points become (ax x + bx y + tx, ay x + by y + ty)."""

    ax: float
    bx: float
    tx: float
    ay: float
    by: float
    ty: float

    @staticmethod
    def of(matrix: np.ndarray) -> Warp:
        """From (2, 3)."""
        return Warp(*np.asarray(matrix, np.float64).ravel().tolist())

    @cached_property
    def shifts_only(self) -> bool:
        """Whether the image neither turns nor grows: then no size, velocity or covariance changes."""
        return self.ax == self.by == 1 and self.bx == self.ay == 0

    @cached_property
    def matrix(self) -> np.ndarray:
        """(3, 3), of homogeneous coordinates."""
        return np.array([[self.ax, self.bx, self.tx], [self.ay, self.by, self.ty], [0.0, 0.0, 1.0]])

    def turn(self, size: int, velocity: int) -> np.ndarray:
        """(size, size), what the centre's coordinates become, and those of its velocity from ``velocity`` on."""
        turn = np.zeros((size, size))
        for first in (0, velocity):
            turn[first, first : first + 2] = self.ax, self.bx
            turn[first + 1, first : first + 2] = self.ay, self.by
        return turn

    @cached_property
    def turn_of_boxes(self) -> np.ndarray:
        """(8, 8), what x, y, width, height and their velocities become."""
        turn = self.turn(8, 4)
        for first in (2, 6):
            turn[first, first : first + 2] = abs(self.ax), abs(self.bx)
            turn[first + 1, first : first + 2] = abs(self.ay), abs(self.by)
        return turn

    @cached_property
    def turn_of_centres(self) -> dict[int, np.ndarray]:
        """The same of centres alone, by the number of entries of a state."""
        return {7: self.turn(7, 4), 8: self.turn(8, 4), 9: self.turn(9, 5)}

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A point moved."""
        return self.ax * x + self.bx * y + self.tx, self.ay * x + self.by * y + self.ty

    def size(self, width: float, height: float) -> tuple[float, float]:
        """The size of the upright box around a moved box."""
        return (
            abs(self.ax) * width + abs(self.bx) * height,
            abs(self.ay) * width + abs(self.by) * height,
        )

    def box(self, row: np.ndarray) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of the upright box around the moved box that ``row`` begins with."""
        x1, y1, x2, y2 = row[:4].tolist()
        x, y, width, height = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        if self.shifts_only:
            x, y = x + self.tx, y + self.ty
        else:
            (x, y), (width, height) = self.point(x, y), self.size(width, height)
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2

    def direction(self, yx: np.ndarray) -> np.ndarray | None:
        """A direction (dy, dx) turned, of length 1; None if nothing is left of it."""
        dy, dx = yx.tolist()
        x, y = self.ax * dx + self.bx * dy, self.ay * dx + self.by * dy
        norm = hypot(x, y)
        return np.array([y / norm, x / norm]) if isfinite(norm) and norm > 1e-12 else None


def move_xywh(track: Any, warp: Warp) -> None:
    """BoT-SORT's track: linear throughout."""
    if warp.shifts_only:
        track.mean = _shifted(track.mean, warp)
        return
    turn = warp.turn_of_boxes
    track.mean = turn @ track.mean
    track.mean[0] += warp.tx
    track.mean[1] += warp.ty
    track.covariance = _spread(turn, track.covariance)


def move_xyah(track: Any, warp: Warp) -> None:
    """StrongSORT's track."""
    if warp.shifts_only:
        track.mean = _shifted(track.mean, warp)
        return
    x, y, aspect, height = track.mean[:4].tolist()
    wide, high = warp.size(aspect * height, height)
    ratio = wide / max(high, 1e-6)
    # Derivatives of the new size by the old aspect ratio and height.
    wide_by = abs(warp.ax) * height, abs(warp.ax) * aspect + abs(warp.bx)
    high_by = abs(warp.ay) * height, abs(warp.ay) * aspect + abs(warp.by)
    turn = warp.turn_of_centres[8].copy()
    for first in (0, 4):
        turn[first + 2, first + 2 : first + 4] = [(w - ratio * h) / high for w, h in zip(wide_by, high_by, strict=True)]
        turn[first + 3, first + 2 : first + 4] = high_by
    velocity = turn[4:, 4:] @ track.mean[4:]
    track.mean = np.array([*warp.point(x, y), ratio, high, *velocity.tolist()])
    track.covariance = _spread(turn, track.covariance)


def _area_and_ratio(warp: Warp, area: float, ratio: float) -> tuple[float, float, tuple[float, float, float, float]]:
    """Area and aspect ratio moved, and their derivatives: area by area and ratio, ratio by area and ratio."""
    width = sqrt(max(area * ratio, 1e-12))
    height = area / max(width, 1e-6)
    wide, high = warp.size(width, height)
    moved = wide / (high + 1e-6)  # as BoxMOT measures it
    across, along = ratio / (2 * width), area / (2 * width)  # the width's derivatives, by area and by ratio
    upward, inward = 1 / (2 * width), -(area**2) / (2 * width**3)  # the height's
    xx, xy, yx, yy = abs(warp.ax), abs(warp.bx), abs(warp.ay), abs(warp.by)
    wide_by_area, high_by_area = xx * across + xy * upward, yx * across + yy * upward
    wide_by_ratio, high_by_ratio = xx * along + xy * inward, yx * along + yy * inward
    return (
        wide * high,
        moved,
        (
            high * wide_by_area + wide * high_by_area,
            high * wide_by_ratio + wide * high_by_ratio,
            (wide_by_area - moved * high_by_area) / (high + 1e-6),
            (wide_by_ratio - moved * high_by_ratio) / (high + 1e-6),
        ),
    )


def _xysr(state: np.ndarray, covariance: np.ndarray, warp: Warp) -> tuple[np.ndarray, np.ndarray]:
    """Deep OC-SORT's state: x, y, area, ratio and the velocities of the first three, (7, 1)."""
    if warp.shifts_only:
        return _shifted(state, warp), covariance
    x, y, area, ratio, vx, vy, grow = state.ravel().tolist()
    new_area, new_ratio, (aa, ar, ra, rr) = _area_and_ratio(warp, area, ratio)
    turn = warp.turn_of_centres[7].copy()
    turn[2, 2], turn[2, 3], turn[3, 2], turn[3, 3], turn[6, 6] = aa, ar, ra, rr, aa
    speed = warp.ax * vx + warp.bx * vy, warp.ay * vx + warp.by * vy
    moved = np.array([*warp.point(x, y), new_area, new_ratio, *speed, aa * grow])
    return moved.reshape(state.shape), _spread(turn, covariance)


def _xyscr(state: np.ndarray, covariance: np.ndarray, warp: Warp) -> tuple[np.ndarray, np.ndarray]:
    """HybridSORT's state: x, y, area, score, ratio and the velocities of the first four, (9, 1)."""
    if warp.shifts_only:
        return _shifted(state, warp), covariance
    x, y, area, score, ratio, vx, vy, grow, rise = state.ravel().tolist()
    new_area, new_ratio, (aa, ar, ra, rr) = _area_and_ratio(warp, area, ratio)
    least = max(area, 1e-6)
    scale = new_area / least
    turn = warp.turn_of_centres[9].copy()
    turn[2, 2], turn[2, 4], turn[4, 2], turn[4, 4] = aa, ar, ra, rr
    turn[3, 3] = turn[8, 8] = 1
    turn[7, 7], turn[7, 2], turn[7, 4] = scale, grow * (aa - scale) / least, grow * ar / least
    speed = warp.ax * vx + warp.bx * vy, warp.ay * vx + warp.by * vy
    moved = np.array([*warp.point(x, y), new_area, score, new_ratio, *speed, grow * scale, rise])
    return moved.reshape(state.shape), _spread(turn, covariance)


def _shifted(state: np.ndarray, warp: Warp) -> np.ndarray:
    moved = state.copy()
    moved[0] += warp.tx
    moved[1] += warp.ty
    return moved


def _spread(turn: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    moved = np.dot(np.dot(turn, covariance), turn.T)
    return 0.5 * (moved + moved.T)


def _measurement(values: np.ndarray, warp: Warp) -> np.ndarray:
    """A stored observation, x, y, area, (score,) ratio, in the shape of a column."""
    if warp.shifts_only:
        return _shifted(values, warp)
    x, y, area, *score, ratio = values.ravel().tolist()
    area, ratio, _ = _area_and_ratio(warp, area, ratio)
    return np.array([*warp.point(x, y), area, *score, ratio]).reshape(values.shape)


def _move_filter(kf: Any, state: Callable, warp: Warp) -> None:
    """An observation-centric filter: its state, what it saved before a gap, and the observation it would go back to."""
    kf.x, kf.P = state(kf.x, kf.P, warp)
    kf.history_obs = _move_last(kf.history_obs, warp)
    if kf._time_aware:
        kf.transform_timed_history(lambda x, p: state(x, p, warp), lambda values: _measurement(values, warp))
    saved = kf.attr_saved
    if not kf.observed and saved is not None:
        saved["x"], saved["P"] = state(saved["x"], saved["P"], warp)
        saved["history_obs"] = _move_last(saved["history_obs"], warp)


def _move_last(history: deque, warp: Warp) -> deque:
    """Move the last observation: the one before a gap, of which alone the replay of the gap begins."""
    for index in range(len(history) - 1, -1, -1):
        if history[index] is not None:
            history[index] = _measurement(history[index], warp)
            break
    return history


def _recent(track: Any) -> dict:
    """The observations that a later step may read: of the last delta_t frames, else the newest."""
    if not track.observations:
        return {}
    newest, oldest = max(track.observations), track.age - track.delta_t
    return {age: box for age, box in track.observations.items() if age > oldest or age == newest}


def move_deepocsort(track: Any, warp: Warp) -> None:
    """Deep OC-SORT's track: filter, observations and direction."""
    track.observations = recent = _recent(track)
    for observation in recent.values():
        observation[:4] = warp.box(observation)
    if recent:  # the last observation is the newest of them
        track.last_observation[:4] = recent[max(recent)][:4]
    if track.velocity is not None:
        turned = warp.direction(track.velocity)
        track.velocity = track.velocity if turned is None else turned
    _move_filter(track.kf, _xysr, warp)


def move_hybridsort(track: Any, warp: Warp) -> None:
    """HybridSORT's track: filter, observations and the directions of four corners."""
    recent = _recent(track)
    track.observations = {age: _moved_row(box, warp) for age, box in recent.items()}
    if recent:  # the last observation is the newest of them
        track.last_observation = track.observations[max(recent)]
    for name in ("velocity_lt", "velocity_rt", "velocity_lb", "velocity_rb"):
        if getattr(track, name) is not None:
            turned = warp.direction(getattr(track, name))
            setattr(track, name, np.zeros(2) if turned is None else turned)
    _move_filter(track.kf, _xyscr, warp)


def _moved_row(row: np.ndarray, warp: Warp) -> np.ndarray:
    return np.array([*warp.box(row), *row[4:].tolist()])


def move_corners(track: Any, warp: Warp) -> None:
    """BoostTrack's and OccluBoost's track: two corners of its box alone, as BoxMOT does."""
    (x1, y1, x2, y2) = track.get_state()[0].tolist()
    if warp.shifts_only:
        left, top, right, bottom = x1 + warp.tx, y1 + warp.ty, x2 + warp.tx, y2 + warp.ty
    else:
        left, top, _ = (warp.matrix @ np.array([x1, y1, 1.0])).tolist()
        right, bottom, _ = (warp.matrix @ np.array([x2, y2, 1.0])).tolist()
    width, height = right - left, bottom - top
    track.kf.x[:4] = left + width / 2, top + height / 2, height, width / height


# By the name of BoxMOT's class.
MOVERS: dict[str, Callable[[Any, Warp], None]] = {
    "BotSort": move_xywh,
    "StrongSort": move_xyah,
    "DeepOcSort": move_deepocsort,
    "HybridSort": move_hybridsort,
    "BoostTrack": move_corners,
    "OccluBoost": move_corners,
}
