"""Frames to network input and back: one way for training, validation and detection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
import torch

from stages.detectors.base import Detector

GREY = 114  # what fills the rest


def resized(frame: np.ndarray, image_size: int) -> np.ndarray:
    """Scale a frame so that its longer side is ``image_size``."""
    height, width = frame.shape[:2]
    if image_size == max(height, width):
        return frame
    # Averaging keeps small objects whole when shrinking; it blurs when enlarging.
    method = cv2.INTER_AREA if image_size < max(height, width) else cv2.INTER_LINEAR
    return cv2.resize(frame, resized_size(width, height, image_size), interpolation=method)


def resized_size(width: int, height: int, image_size: int) -> tuple[int, int]:
    """Width and height of what `resized` makes of a frame of ``width`` and ``height``."""
    factor = image_size / max(height, width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def stacked(frames: list[np.ndarray], stride: int) -> torch.Tensor:
    """(H, W, 3) blue-green-red frames as one (B, 3, H, W) uint8 red-green-blue tensor, grey to the right and below.

    H and W are multiples of ``stride``.
    """
    height, width = (-(-max(frame.shape[axis] for frame in frames) // stride) * stride for axis in (0, 1))
    batch = np.full((len(frames), height, width, 3), GREY, np.uint8)
    for place, frame in zip(batch, frames, strict=True):
        # A fortieth of the cost of a reversed view; written in place.
        cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=place[: frame.shape[0], : frame.shape[1]])
    return torch.from_numpy(batch.transpose(0, 3, 1, 2))


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
        found = detector.predict(stacked(scaled, detector.stride).to(device), min_score, nms_iou, max_objects)
        for frame, small, rows in zip(originals, scaled, found, strict=True):
            rows = rows.cpu().numpy().astype(np.float32)
            size, small_size = (np.array(image.shape[1::-1] * 2) for image in (frame, small))  # width, height, twice
            rows[:, :4] = (rows[:, :4] * (size / small_size)).clip(0, size)
            yield rows


def prepared(frame: np.ndarray, image_size: int, stride: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """One frame as `detect` gives it to a network, (1, 3, H, W) uint8, and the width and height of the frame in it."""
    small = resized(frame, image_size)
    return stacked([small], stride), small.shape[1::-1]
