"""The frame that is drawn on: how large it is, and how large is what is drawn."""

from __future__ import annotations

import cv2
import numpy as np

MAX_WIDTH = 1280  # pixels; the plots' wider frames are shrunk, and above this size all that is drawn grows with them
DOUBLE_BELOW = 640  # pixels; narrower frames are drawn at twice their size, so that text can be read


def output_size(width: int, height: int, most: float = MAX_WIDTH) -> tuple[int, int, float]:
    """Width and height of a video, both even as yuv420p needs, and the factor from the frame's own size.

    Frames wider than ``most`` are shrunk.
    """
    factor = min(2.0 if width < DOUBLE_BELOW else 1.0, most / width)
    return *even(width * factor, height * factor), factor


def even(width: float, height: float) -> tuple[int, int]:
    """Both rounded to even numbers, at least 2."""
    return max(2, round(width / 2) * 2), max(2, round(height / 2) * 2)


class Canvas:
    """Makes frames of one size ready to be drawn on."""

    def __init__(self, size: tuple[int, int], most: float = MAX_WIDTH):
        """``size``: width and height of the frames, pixels; wider ones than ``most`` pixels are shrunk."""
        *_, self.factor = sizes = output_size(*size, most)
        self.size = sizes[0], sizes[1]
        self.unit = max(1.0, max(self.size) / MAX_WIDTH)  # by which all is larger than on a frame of that width

    def of(self, frame: np.ndarray) -> np.ndarray:
        """A copy of ``frame``, (H, W, 3) uint8, at ``self.size``."""
        if frame.shape[1::-1] == self.size:
            return frame.copy()
        method = cv2.INTER_CUBIC if self.factor > 1 else cv2.INTER_AREA
        return cv2.resize(frame, self.size, interpolation=method)

    def wide(self, width: float) -> int:
        """A line's width in pixels, that is ``width`` on a frame of ordinary size."""
        return max(1, round(width * self.unit))
