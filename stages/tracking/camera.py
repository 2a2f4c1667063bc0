"""Camera motion for BoT-SORT: estimated once a frame by BoxMOT, and applied to the tracks in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from boxmot.trackers import Tracker as BoxmotTracker


class CameraMotion:
    """One estimate of the camera's motion per frame, which the trackers of all classes share.

    BoxMOT's estimators mask out the detected boxes; a car that moves must not pass for camera motion among people.
    """

    def __init__(self, estimator: Any):
        self._estimator = estimator
        self._warp = np.eye(2, 3)

    def see(self, image: np.ndarray, boxes: np.ndarray) -> None:
        """Estimate the motion since the frame before; ``boxes`` is (N, 4) xyxy, pixels."""
        self._warp = np.asarray(self._estimator.apply(image, boxes), np.float64)

    def compensate(self, detections: np.ndarray, image: np.ndarray, tracks: list, unconfirmed: list) -> None:
        """Move the tracks with the image: what stands in for BoT-SORT's own step, by its arguments."""
        warp_tracks((*tracks, *unconfirmed), self._warp)


def share_camera_motion(trackers: list[BoxmotTracker]) -> CameraMotion | None:
    """Let all ``trackers`` use the first one's estimator; None if they compensate for no camera motion."""
    estimator = getattr(trackers[0], "cmc", None)
    if estimator is None:
        return None
    motion = CameraMotion(estimator)
    for tracker in trackers:
        tracker._apply_camera_motion_compensation = motion.compensate
    return motion


def warp_tracks(tracks: Iterable[Any], warp: np.ndarray) -> None:
    """Move Kalman states (x, y, w, h and their velocities) with an affine ``warp``, (2, 3).

    The upright box around a warped box has the size |A| (w, h) and the centre A (x, y) + t, which is linear: it
    needs no numerical Jacobian a track, in which BoxMOT spends two thirds of BoT-SORT's time, to the same result.
    """
    if np.array_equal(warp, np.eye(2, 3)):
        return
    move = np.zeros((8, 8))
    for first in (0, 4):  # the box, then its velocity
        move[first : first + 2, first : first + 2] = warp[:, :2]
        move[first + 2 : first + 4, first + 2 : first + 4] = np.abs(warp[:, :2])
    shift = np.array([*warp[:, 2], 0, 0, 0, 0, 0, 0])
    for track in tracks:
        track.mean = move @ track.mean + shift
        track.covariance = move @ track.covariance @ move.T
