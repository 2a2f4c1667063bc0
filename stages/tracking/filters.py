"""The Kalman filters' steps, and small ones around them, as BoxMOT's trackers need them, to the last bit.

BoxMOT's filters measure the first entries of their state, so that products with the measurement matrix (ones and
zeros) are slices; they keep gains, inverses and priors that no tracker looks at; and they save a filter before a gap
by a deep copy. Each function here stands in for the method of its name, on a filter ``self``.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import scipy.linalg
from boxmot.motion.kalman_filters.base import BaseKalmanFilter
from boxmot.motion.kalman_filters.xyhr import ConstantNoiseXYHR
from boxmot.trackers.common.association.matching import solve_assignment
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

_predict_state = BaseKalmanFilter.predict_state
_default_q, _default_r = ConstantNoiseXYHR._default_q, ConstantNoiseXYHR._default_r
_noises: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}


def project(
    self: Any, mean: np.ndarray, covariance: np.ndarray, confidence: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A state's distribution as a measurement's."""
    std = [(1 - confidence) * x for x in self._get_measurement_noise_std(mean, confidence)]
    noise = self.noise_config.measurement_covariance(np.diag(np.square(std)))
    size = self.dim_z
    return mean[:size], covariance[:size, :size] + noise


def update(
    self: Any, mean: np.ndarray, covariance: np.ndarray, measurement: np.ndarray, confidence: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Correct a state by a measurement."""
    expected, spread = project(self, mean, covariance, confidence)
    gain = cho_solve(cho_factor(spread, lower=True), covariance[:, : self.dim_z].T).T
    corrected = mean + np.dot(measurement - expected, gain.T)
    return corrected, covariance - np.dot(gain, np.dot(spread, gain.T))


def update_state(self: Any, z: np.ndarray, R: np.ndarray | None = None, H: np.ndarray | None = None) -> None:
    """Correct the filter's own state by a measurement; the covariance in Joseph's form."""
    noise = self.noise_config.measurement_covariance(self.R) if R is None else R
    size = self.dim_z
    measurement = self._reshape_measurement(z, size)
    spread = self.P[:size, :size] + noise
    spread = 0.5 * (spread + spread.T)
    gain = cho_solve(self._safe_cho_factor(spread), self.P[:, :size].T).T
    self.x = self.x + np.dot(gain, measurement - self.x[:size])
    rest = self._I.copy()
    rest[:, :size] -= gain
    covariance = np.dot(rest, np.dot(self.P, rest.T)) + np.dot(gain, np.dot(noise, gain.T))
    self.P = 0.5 * (covariance + covariance.T)
    self.z = measurement.copy()


def predict_state(self: Any, u=None, B=None, F=None, Q=None, *, dt: float | None = None) -> None:
    """Move the filter's own state on by a frame; BoxMOT's own where time is in seconds."""
    if dt is not None or self._time_aware or self.noise_config.time_unit == "seconds":
        _predict_state(self, u=u, B=B, F=F, Q=Q, dt=dt)
        return
    self._unrecorded_prediction = self._last_observed_measurement is not None
    self.x = np.dot(self.F, self.x)
    noise = self.noise_config.process_covariance(self.Q, self.dim_z)
    self.P = np.dot(np.dot(self.F, self.P), self.F.T) + noise


def project_boost(
    self: Any, mean: np.ndarray | None = None, covariance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """`project` of BoostTrack's filter, whose noise is constant."""
    mean, covariance = (self.x, self.P) if mean is None else (mean, covariance)
    size = self.dim_z
    noise = self.noise_config.measurement_covariance(self.cov_update_policy.get_r())
    return mean[:size], covariance[:size, :size] + noise


def default_q(self: Any) -> np.ndarray:
    """BoostTrack's process noise, made once."""
    return _noise(self)[0]


def default_r(self: Any) -> np.ndarray:
    """BoostTrack's measurement noise, made once."""
    return _noise(self)[1]


def _noise(policy: Any) -> tuple[np.ndarray, np.ndarray]:
    key = (policy.dim_x, policy.dim_z)
    if key not in _noises:
        _noises[key] = _default_q(policy), _default_r(policy)
        for each in _noises[key]:
            each.setflags(write=False)
    return _noises[key]


def freeze(self: Any) -> None:
    """Save the filter before a gap: arrays are copied, what is never changed in place is shared."""
    self.attr_saved = {name: _copied(value) for name, value in self.__dict__.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, deque):
        return deque(value, maxlen=value.maxlen)
    return list(value) if isinstance(value, list) else value


def cho_factor(matrix: np.ndarray, lower: bool = False, check_finite: bool = True) -> tuple[np.ndarray, bool]:
    """`scipy.linalg.cho_factor` of a real matrix, without its checks."""
    factor, info = dpotrf(matrix, lower=lower, clean=False)
    if info:
        raise scipy.linalg.LinAlgError("the matrix is not positive definite")
    return factor, lower


def cho_solve(factor: tuple[np.ndarray, bool], right: np.ndarray, check_finite: bool = True) -> np.ndarray:
    """`scipy.linalg.cho_solve` of real matrices, without its checks."""
    return dpotrs(factor[0], right, lower=factor[1])[0]


def solve_triangular(
    matrix: np.ndarray, right: np.ndarray, lower: bool = False, check_finite: bool = True, overwrite_b: bool = False
) -> np.ndarray:
    """`scipy.linalg.solve_triangular` of real matrices, without its checks."""
    return dtrtrs(matrix, right, lower=lower)[0] if right.size else np.empty_like(right)


def linear_assignment(cost: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (row, column) of least cost below ``threshold``, and the rows and columns without one, ascending."""
    rows, columns = cost.shape
    if not cost.size:
        return np.empty((0, 2), dtype=int), np.arange(rows), np.arange(columns)
    pairs = solve_assignment(cost, cost_limit=threshold)
    alone = np.ones(rows, bool), np.ones(columns, bool)
    alone[0][pairs[:, 0]], alone[1][pairs[:, 1]] = False, False
    return pairs, np.flatnonzero(alone[0]), np.flatnonzero(alone[1])


def corners(box: np.ndarray) -> np.ndarray:
    """One box x, y (centre), width, height as x1, y1, x2, y2, in its own type of number."""
    half = box[2:4] / 2
    return np.concatenate([box[:2] - half, box[:2] + half])
