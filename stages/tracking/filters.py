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
from boxmot.motion.kalman_filters.xyhr import ConstantNoiseXYHR, KalmanFilterXYHR
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

_predict, _multi_predict = BaseKalmanFilter.predict, BaseKalmanFilter.multi_predict
_predict_state, _predict_boost = BaseKalmanFilter.predict_state, KalmanFilterXYHR.predict
_default_q, _default_r = ConstantNoiseXYHR._default_q, ConstantNoiseXYHR._default_r
_noises: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}


def _in_frames(self: Any, dt: float | None) -> bool:
    return dt is None and self.noise_config.time_unit == "frames"


def _diagonals(values: np.ndarray) -> np.ndarray:
    """Diagonal matrices (N, D, D) of ``values`` (N, D)."""
    count, size = values.shape
    matrices = np.zeros((count, size, size))
    matrices.reshape(count, -1)[:, :: size + 1] = values
    return matrices


def predict(
    self: Any, mean: np.ndarray, covariance: np.ndarray, *, dt: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Move a state on by a frame; BoxMOT's own where time is in seconds."""
    if not _in_frames(self, dt):
        return _predict(self, mean, covariance, dt=dt)
    position, velocity = self._get_process_noise_std(mean)
    noise = _diagonals(np.square(np.array([*position, *velocity]))[None])[0]
    motion = self._motion_mat
    moved = np.dot(motion, np.dot(covariance, motion.T)) + self.noise_config.process_covariance(noise, self.dim_z)
    return np.dot(mean, motion.T), moved


def multi_predict(
    self: Any, mean: np.ndarray, covariance: np.ndarray, *, dt: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Move states (N, D) on by a frame; BoxMOT's own where time is in seconds."""
    if not len(mean) or not _in_frames(self, dt):
        return _multi_predict(self, mean, covariance, dt=dt)
    position, velocity = self._get_multi_process_noise_std(mean)
    noise = _diagonals(np.square(np.array([*position, *velocity])).T)
    motion = self._motion_mat
    moved = np.dot(np.dot(motion, covariance).transpose((1, 0, 2)), motion.T)
    return np.dot(mean, motion.T), moved + self.noise_config.process_covariance(noise, self.dim_z)


def project(
    self: Any, mean: np.ndarray, covariance: np.ndarray, confidence: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A state's distribution as a measurement's."""
    std = [(1 - confidence) * x for x in self._get_measurement_noise_std(mean, confidence)]
    size = self.dim_z
    spread = covariance[:size, :size].copy()
    spread.reshape(-1)[:: size + 1] += self.noise_config.measurement_covariance(np.square(std))
    return mean[:size], spread


def update(
    self: Any, mean: np.ndarray, covariance: np.ndarray, measurement: np.ndarray, confidence: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Correct a state by a measurement."""
    expected, spread = project(self, mean, covariance, confidence)
    gain = _gain(spread, covariance)
    corrected = mean + np.dot(measurement - expected, gain.T)
    return corrected, covariance - np.dot(gain, np.dot(spread, gain.T))


def _gain(spread: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return cho_solve(cho_factor(spread, lower=True), covariance[:, : len(spread)].T).T


def update_state(self: Any, z: np.ndarray, R: np.ndarray | None = None, H: np.ndarray | None = None) -> None:
    """Correct the filter's own state by a measurement (D, 1); the covariance, symmetric, in Joseph's form."""
    noise = self.noise_config.measurement_covariance(self.R) if R is None else R
    size = self.dim_z
    spread = self.P[:size, :size] + noise
    factor, wrong = dpotrf(spread, lower=True, clean=False)
    factor = self._safe_cho_factor(spread)[0] if wrong else factor
    gain = dpotrs(factor, self.P[:, :size].T, lower=True)[0].T
    self.x = self.x + np.dot(gain, z - self.x[:size])
    rest = self._I.copy()
    rest[:, :size] -= gain
    covariance = np.dot(rest, np.dot(self.P, rest.T)) + np.dot(gain, np.dot(noise, gain.T))
    self.P = 0.5 * (covariance + covariance.T)
    self.z = z.copy()


def predict_state(self: Any, u=None, B=None, F=None, Q=None, *, dt: float | None = None) -> None:
    """Move the filter's own state on by a frame; BoxMOT's own where time is in seconds."""
    if self._time_aware or not _in_frames(self, dt):
        _predict_state(self, u=u, B=B, F=F, Q=Q, dt=dt)
        return
    self._unrecorded_prediction = self._last_observed_measurement is not None
    if self.F.dtype != np.float64:
        self.F = self.F.astype(np.float64)  # OC-SORT's whole numbers would be converted in every product
    noise = self.noise_config.process_covariance(self.Q, self.dim_z)
    self.x = np.dot(self.F, self.x)
    self.P = np.dot(np.dot(self.F, self.P), self.F.T) + noise


def _keep_positive(values: np.ndarray, rows: tuple[int, ...], least: float) -> None:
    for row in rows:
        if values.item(row) < least:
            values[row] = least


def _ratio_row(self: Any) -> int:
    return 3 if self.dim_z == 4 else 4  # HybridSORT's has a score before it


def constrain(self: Any) -> None:
    """Keep area and aspect ratio positive, and the covariance symmetric."""
    _keep_positive(self.x, (2, _ratio_row(self)), 1e-6)
    self.P = 0.5 * (self.P + self.P.T)


def measured(self: Any, z: np.ndarray, reference_state: np.ndarray | None = None) -> np.ndarray:
    """A measurement (D, 1), float64, with area and aspect ratio positive."""
    _keep_positive(z, (2, _ratio_row(self)), 1e-6)
    return z


def correct_observation(self: Any, measurement: np.ndarray, R: np.ndarray | None = None, H: Any = None) -> None:
    """Correct the filter's own state by a real or an interpolated observation."""
    if self._time_aware:
        measurement = self._prepare_measurement(measurement)
    self.update_state(z=measurement, R=R, H=H)
    _keep_positive(self.x, (2, _ratio_row(self)), 1e-6)


def predict_boost(self: Any, mean=None, covariance=None, *, dt: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Move BoostTrack's filter on by a frame; BoxMOT's own where time is in seconds."""
    if mean is not None or not _in_frames(self, dt):
        return _predict_boost(self, mean, covariance, dt=dt)
    motion = self._motion_mat
    noise = self.noise_config.process_covariance(self.cov_update_policy.get_q(dt=None), self.dim_z)
    self._last_motion_mat, self._last_prediction_dt, self._last_process_noise = motion, None, noise
    self.x = np.dot(motion, self.x)
    self.P = np.dot(motion, np.dot(self.P, motion.T)) + noise
    constrain_boost(self)
    return self.x, self.P


def constrain_boost(self: Any) -> None:
    """Keep height and aspect ratio positive, and the covariance symmetric."""
    _keep_positive(self.x, (2, 3), 1e-4)
    self.P = 0.5 * (self.P + self.P.T)


def update_boost(self: Any, z: np.ndarray, alpha: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Correct BoostTrack's filter by a measurement (D,); ``alpha`` weakens what the state takes from it."""
    _keep_positive(z, (2, 3), 1e-4)
    expected, spread = project_boost(self)
    gain = _gain(spread, self.P)
    innovation = z - expected
    self.cov_update_policy.observe_innovation(
        innovation,
        gain,
        self.P,
        self._last_motion_mat,
        dt=self._last_prediction_dt,
        process_noise=self._last_process_noise,
        innovation_covariance=spread,
    )
    self.x = self.x + alpha * np.dot(innovation, gain.T)
    self.P = self.P - np.dot(gain, np.dot(spread, gain.T))
    constrain_boost(self)
    return self.x, self.P


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
