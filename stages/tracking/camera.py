"""Camera motion: estimated frame by frame by BoxMOT's estimators, and applied to tracks from stored warps.

BoxMOT moves each track with the image through numerical Jacobians and moves all that the track ever saw, in which
Deep OC-SORT and HybridSORT spend nine tenths of their time. An affine warp has closed forms (warping.py), and only
what a later step reads needs to move; tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.errors import InputError
from stages.tracking.warping import MOVERS, Warp, move_hybridsort

if TYPE_CHECKING:
    from boxmot.trackers.base import BaseTracker


def estimate_motion(frames: Iterable[np.ndarray], detections: np.ndarray, length: int, method: str) -> np.ndarray:
    """The camera's motion from each frame to the next, (length, 2, 3), pixels; the first frame's is none.

    ``frames`` are images (height, width, 3), BGR, uint8; ``detections`` (N, 7), see `TrackingInput`: moving things
    are masked out by the boxes of all classes and scores. ``method`` is `sof` or `ecc`. BoxMOT's estimator, which
    gives no motion where it finds none. Raises `InputError` if there are fewer frames than ``length``.
    """
    from boxmot.motion.cmc import create_cmc

    import stages.tracking.options  # noqa: F401  BoxMOT's log would have a line for each frame without motion

    estimator = create_cmc(method)
    by_frame = boxes_by_frame(detections, length)
    warps = [estimator.apply(image, boxes) for image, boxes in zip(frames, by_frame, strict=False)]
    if len(warps) < length:
        raise InputError(f"frame {len(warps) + 1}", f"is missing: the sequence has {length}", "make it anew")
    return np.array(warps, np.float64).reshape(length, 2, 3)


def boxes_by_frame(detections: np.ndarray, length: int) -> list[np.ndarray]:
    """The boxes (n, 4) xyxy, pixels, float32, of each of ``length`` frames, in the stored order."""
    if length == 0:
        return []
    ordered = detections[np.argsort(detections[:, 0], kind="stable")]
    bounds = np.searchsorted(ordered[:, 0], np.arange(2, length + 1))
    return np.split(ordered[:, 1:5].astype(np.float32), bounds)


class CameraMotion:
    """Gives one BoxMOT tracker the stored motion in place of its own estimate: set `warp` before each frame."""

    def __init__(self, tracker: BaseTracker):
        self.warp = np.eye(2, 3)
        self._move = MOVERS.get(type(tracker).__name__)
        tracker.apply_cmc = self._apply
        tracker._apply_camera_motion_compensation = self._compensate

    def _apply(self, image: Any, detections: np.ndarray, tracks: Iterable[Any]) -> None:
        """What stands in for the tracker's own step, by its arguments."""
        # Also without motion HybridSORT's step has an effect: it gives the tracks' directions the length 1.
        if self._move is not move_hybridsort and np.array_equal(self.warp, np.eye(2, 3)):
            return
        warp = Warp.of(self.warp)
        for track in tracks:
            if self._move:
                self._move(track, warp)
            else:
                track.camera_update(self.warp)

    def _compensate(self, detections: np.ndarray, image: Any, tracks: list, unconfirmed: list) -> None:
        """The same for BoT-SORT."""
        self._apply(image, detections, (*tracks, *unconfirmed))
