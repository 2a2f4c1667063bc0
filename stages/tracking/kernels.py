"""Steps of single trackers that BoxMOT takes track by track, taken for all tracks at once, to the last bit.

BoostTrack and OccluBoost ask each track for its box up to five times a frame, StrongSORT factors a covariance a track.
Each function stands in for the method or function of BoxMOT's that lean.py names beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from boxmot.trackers.common.association.boost import shape_similarity
from boxmot.trackers.common.association.matching import chi2inv95
from scipy.optimize import linear_sum_assignment

from stages.tracking import boxes, filters
from stages.tracking.matching import mahalanobis_similarity


def _states(tracks: Sequence[Any]) -> np.ndarray:
    return np.array([track.kf.x[:4] for track in tracks]).reshape(-1, 4)


def tracked_iou(self: Any, detections: np.ndarray, buffered: bool = False) -> np.ndarray:
    """BoostTrack's overlap of detections with its tracks, (detections, tracks)."""
    tracks = np.empty((len(self.trackers), 5))
    tracks[:, :4] = boxes.xyhr_boxes(_states(self.trackers))
    tracks[:, 4] = [track.get_confidence() for track in self.trackers]
    return boxes.buffered_iou(detections, tracks) if buffered else boxes.iou(detections, tracks)


def mahalanobis(self: Any, detections: np.ndarray, n_dims: int | None = None) -> np.ndarray:
    """BoostTrack's squared distances of motion, (detections, tracks)."""
    if not self.trackers:
        return np.zeros((0, 0))
    found = boxes.xyhr_rows(detections)
    certainty = np.reciprocal(np.array([track.kf.P.diagonal()[:4] for track in self.trackers]))
    return ((found[:, None] - _states(self.trackers)[None]) ** 2 * certainty[None]).sum(axis=2)


def boost_likely(self: Any, detections: np.ndarray) -> np.ndarray:
    """BoostTrack's higher scores for detections that are likely where its tracks are; in place."""
    if not len(detections) or not self.trackers:
        return detections
    likely = _likeness(self, detections)
    scores = detections[:, 4]
    if not self.use_sb and not self.use_vt:
        detections[:, 4] = np.maximum(scores, likely.max(1) * self.dlo_boost_coef)
        return detections
    if self.use_sb:
        alpha = 0.65
        detections[:, 4] = np.maximum(scores, alpha * scores + (1 - alpha) * likely.max(1) ** 1.5)
    if self.use_vt:
        unseen = np.array([track.time_since_update - 1 for track in self.trackers])
        sure = (likely > np.maximum(0.95 - unseen, 0.8)).max(1)
        detections[sure, 4] = np.maximum(detections[sure, 4], self.det_thresh + 1e-5)
    return detections


def _likeness(self: Any, detections: np.ndarray) -> np.ndarray:
    if not self.use_rich_s:
        return self.get_iou_matrix(detections, False)
    motion = mahalanobis_similarity(self.get_mh_dist_matrix(detections), 1)
    shape = shape_similarity(detections, boxes.xyhr_boxes(_states(self.trackers)), self.s_sim_corr)
    return (motion + shape + self.get_iou_matrix(detections, True)) / 3


def trust(self: Any, track: Any, box: np.ndarray) -> float:
    """OccluBoost's weight of an observation: less than 1 where a box shrinks while it moves as it never did."""
    if not self.ams_enabled or self.ams_alpha0 >= 1.0:
        return 1.0
    x1, y1, x2, y2 = box[:4].tolist()
    width, height = max(x2 - x1, 1e-6), max(y2 - y1, 1e-6)
    now = np.array([x1 + 0.5 * width, y1 + 0.5 * height, width, height])
    if getattr(track, "_ams_obs_buf", None) is None:
        track._ams_obs_buf = deque(maxlen=self.ams_buffer_size)
    past = track._ams_obs_buf
    weight = 1.0 if len(past) < 2 else _trust(self, np.array(past), now, width * height)
    past.append(now)
    return weight


def _trust(self: Any, past: np.ndarray, now: np.ndarray, area: float) -> float:
    if area >= float(np.add.reduce(past[:, 2] * past[:, 3]) / len(past)) * self.ams_shrink_ratio:
        return 1.0
    speed = now - past[-1]
    usual = np.add.reduce(past[1:] - past[:-1], axis=0) / (len(past) - 1)
    weights = []
    for part in (slice(0, 2), slice(2, 4)):
        fast, mean = (sqrt(values[part].dot(values[part])) for values in (speed, usual))
        usually = max(0.0, fast - mean) / max(mean, 1e-6) <= self.ams_threshold
        weights.append(1.0 if usually else self.ams_alpha0)
    return 0.5 * (weights[0] + weights[1])


def gate_costs(
    cost: np.ndarray,
    tracks: Sequence[Any],
    detections: Sequence[Any],
    track_indices: Sequence[int],
    detection_indices: Sequence[int],
    mc_lambda: float,
    gated_cost: float = 1e5,
    only_position: bool = False,
) -> np.ndarray:
    """StrongSORT's costs, those of impossible motion set to ``gated_cost``, blended with the distance of motion."""
    if not len(track_indices):
        return cost
    found = np.asarray([detections[index].to_measurement() for index in detection_indices])
    chosen = [tracks[index] for index in track_indices]
    expected, spreads = zip(*(filters.project(t.kf, t.mean, t.covariance) for t in chosen), strict=True)
    distance = np.empty(cost.shape)
    for row, factor in enumerate(np.linalg.cholesky(np.array(spreads))):
        solved = filters.solve_triangular(factor, (found - expected[row]).T, lower=True)
        distance[row] = np.add.reduce(solved * solved, axis=0)
    cost[distance > chi2inv95[found.shape[1]]] = gated_cost
    return mc_lambda * cost + (1 - mc_lambda) * distance


def match_at_least_cost(
    metric: Callable,
    most: float,
    tracks: Sequence[Any],
    detections: Sequence[Any],
    track_indices: Sequence[int] | None = None,
    detection_indices: Sequence[int] | None = None,
) -> tuple[list, Sequence[int], Sequence[int]]:
    """StrongSORT's pairs (track, detection) of least cost, each at most ``most``; then tracks and detections alone."""
    track_indices = range(len(tracks)) if track_indices is None else track_indices
    detection_indices = range(len(detections)) if detection_indices is None else detection_indices
    if not len(detection_indices) or not len(track_indices):
        return [], track_indices, detection_indices
    cost = metric(tracks, detections, track_indices, detection_indices)
    cost[cost > most] = most + 1e-5
    rows, columns = (each.tolist() for each in linear_sum_assignment(cost))
    met, seen = set(rows), set(columns)
    lost = [index for row, index in enumerate(track_indices) if row not in met]
    new = [index for column, index in enumerate(detection_indices) if column not in seen]
    pairs = []
    for row, column in zip(rows, columns, strict=True):
        if cost[row, column] > most:
            lost.append(track_indices[row])
            new.append(detection_indices[column])
        else:
            pairs.append((track_indices[row], detection_indices[column]))
    return pairs, lost, new
