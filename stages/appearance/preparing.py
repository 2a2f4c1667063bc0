"""How a crop becomes a network's input: resized, red-green-blue, normalised as torchreid and BoxMOT do."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# Of ImageNet's images, red-green-blue, in shares of white.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def cut(frame: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
    """The crops of ``boxes``, (n, 4) x1, y1, x2, y2, from a frame (H, W, 3); where one has no area, one black pixel."""
    height, width = frame.shape[:2]
    whole = np.round(np.asarray(boxes, np.float32)).astype(int)
    x1, x2 = np.clip(whole[:, 0], 0, None), np.clip(whole[:, 2], None, width)
    y1, y2 = np.clip(whole[:, 1], 0, None), np.clip(whole[:, 3], None, height)
    sides = zip(x1, np.maximum(x2, 0), y1, np.maximum(y2, 0), strict=True)
    crops = [frame[top:bottom, left:right] for left, right, top, bottom in sides]
    return [crop if crop.size else np.zeros((1, 1, 3), np.uint8) for crop in crops]


def resized(crops: Sequence[np.ndarray], image_size: tuple[int, int]) -> np.ndarray:
    """Crops, each (h, w, 3) uint8, as one (n, H, W, 3) uint8 array; colours stay in their order."""
    height, width = image_size
    result = np.empty((len(crops), height, width, 3), np.uint8)
    for crop, place in zip(crops, result, strict=True):
        cv2.resize(crop, (width, height), dst=place, interpolation=cv2.INTER_LINEAR)
    return result


def normalised(images: np.ndarray) -> np.ndarray:
    """(n, H, W, 3) uint8 blue-green-red to (n, 3, H, W) float32 red-green-blue."""
    planes = images[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C")
    planes *= 1 / (255 * DEVIATION[:, None, None])
    planes -= (MEAN / DEVIATION)[:, None, None]
    return planes
