"""Frames to network input and back: one way for training, validation and detection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
import torch

from stages.detectors.base import Detector

STRIDE = 32  # network input sides are multiples of it
GREY = 114  # what fills the rest


def resized(frame: np.ndarray, image_size: int) -> tuple[np.ndarray, float]:
    """Scale a frame so that its longer side is ``image_size``; returns the factor too."""
    height, width = frame.shape[:2]
    factor = image_size / max(height, width)
    if factor == 1:
        return frame, 1.0
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # Averaging keeps small objects whole when shrinking; it blurs when enlarging.
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR), factor


def stacked(frames: list[np.ndarray]) -> torch.Tensor:
    """(H, W, 3) blue-green-red frames as one (B, 3, H, W) uint8 red-green-blue tensor, grey to the right and below."""
    height, width = (_multiple(max(frame.shape[axis] for frame in frames)) for axis in (0, 1))
    batch = np.full((len(frames), height, width, 3), GREY, np.uint8)
    for place, frame in zip(batch, frames, strict=True):
        place[: frame.shape[0], : frame.shape[1]] = frame[..., ::-1]
    return torch.from_numpy(batch.transpose(0, 3, 1, 2))


def _multiple(side: int) -> int:
    return -(-side // STRIDE) * STRIDE


def detect(
    detector: Detector,
    frames: Iterable[np.ndarray],
    *,
    image_size: int,
    batch: int,
    min_score: float,
    nms_iou: float,
    max_objects: int,
) -> Iterator[np.ndarray]:
    """Per frame (n, 6) float32: x1 y1 x2 y2 in the frame's own pixels, clipped to it, score and class, best first."""
    device = next(detector.parameters()).device
    frames = iter(frames)
    while originals := list(islice(frames, batch)):
        scaled = [resized(frame, image_size) for frame in originals]
        images = stacked([frame for frame, _ in scaled]).to(device)
        found = detector.predict(images, min_score, nms_iou, max_objects)
        for frame, (_, factor), rows in zip(originals, scaled, found, strict=True):
            rows = rows.cpu().numpy().astype(np.float32)
            height, width = frame.shape[:2]
            rows[:, :4] = (rows[:, :4] / factor).clip(0, [width, height, width, height])
            yield rows
