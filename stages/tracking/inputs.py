"""What a tracker is given of a sequence: arrays alone, no frame and no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrackingInput:
    """A sequence as trackers see it."""

    fps: float  # frames a second
    width: int  # pixels
    height: int  # pixels
    length: int  # frames
    detections: np.ndarray  # (N, 7) frame (from 1), x1, y1, x2, y2 (pixels), score, class (from 0)
    embeddings: np.ndarray | None = None  # (N, D) float32, row by row with the detections
    warps: np.ndarray | None = None  # (length, 2, 3) the camera's motion since the frame before, pixels
