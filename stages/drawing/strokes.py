"""Strokes on frames, (H, W, 3) uint8 blue-green-red, drawn in place: boxes of several kinds, labels, plates of text."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from PIL.ImageFont import FreeTypeFont

from stages.lettering import font

_LETTERS = 28  # pixels from line to line, at scale 1
_DASH, _GAP = 6, 4  # pixels, on a frame of ordinary size
_HATCH = 9  # pixels between lines, the same
_DARKER = 0.35  # of a frame's light under a plate

Colour = tuple[int, int, int]  # blue, green, red
Corners = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels


def whole(box: np.ndarray | tuple[float, ...], factor: float, size: tuple[int, int]) -> Corners:
    """A box times ``factor`` in whole pixels; what lies far beyond the frame of ``size`` is brought near it."""
    width, height = size
    x1, y1, x2, y2 = box
    return (
        round(min(max(x1 * factor, -width), 2 * width)),
        round(min(max(y1 * factor, -height), 2 * height)),
        round(min(max(x2 * factor, -width), 2 * width)),
        round(min(max(y2 * factor, -height), 2 * height)),
    )


def draw_box(image: np.ndarray, box: Corners, colour: Colour, width: int) -> None:
    """A rectangle's outline, ``width`` pixels wide to the inside."""
    x1, y1, x2, y2 = box
    for left, top, right, bottom in (
        (x1, y1, x2, y1 + width - 1),
        (x1, y2 - width + 1, x2, y2),
        (x1, y1, x1 + width - 1, y2),
        (x2 - width + 1, y1, x2, y2),
    ):
        image[max(0, top) : max(0, bottom + 1), max(0, left) : max(0, right + 1)] = colour


def draw_dashed(image: np.ndarray, box: Corners, colour: Colour, width: int) -> None:
    """A rectangle's outline, dashed, ``width`` pixels wide to the inside."""
    height, across = image.shape[:2]
    x1, y1, x2, y2 = box
    left, right, top, bottom = max(x1, 0), min(x2 + 1, across), max(y1, 0), min(y2 + 1, height)
    if left >= right or top >= bottom:
        return
    columns, rows = _dashes(right - left, width), _dashes(bottom - top, width)
    for y in (y1, y2 + 1 - width):
        if 0 <= y < height:
            image[y : y + width, left:right][:, columns] = colour
    for x in (x1, x2 + 1 - width):
        if 0 <= x < across:
            image[top:bottom, x : x + width][rows] = colour


@lru_cache(1024)
def _dashes(length: int, width: int) -> np.ndarray:
    """Which of (length,) pixels are in a dash."""
    scale = max(1, width // 2)
    return np.arange(length) % ((_DASH + _GAP) * scale) < _DASH * scale


def draw_hatched(image: np.ndarray, box: Corners, colour: Colour, unit: float) -> None:
    """A rectangle filled with slanting lines."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if x1 >= x2 or y1 >= y2:
        return
    rise, step = y2 - y1, max(2, round(_HATCH * unit))
    starts = np.arange(-rise - (x1 + y1 + rise) % step, x2 - x1, step)  # fixed to the frame, not to the box
    lines = np.stack([starts, np.full_like(starts, rise), starts + rise, np.zeros_like(starts)], axis=1)
    cv2.polylines(image[y1:y2, x1:x2], list(lines.reshape(-1, 2, 2).astype(np.int32)), False, colour, 1, cv2.LINE_AA)


@lru_cache(4096)
def text_size(text: str, scale: float) -> tuple[int, int, int]:
    """Width, height and what hangs below the line of ``text``, in pixels; accents on capitals stand out above."""
    face = _face(scale)
    _, top, _, bottom = face.getbbox("Hg", anchor="ls")
    return ceil(face.getlength(text)), -top, bottom


def _face(scale: float) -> FreeTypeFont:
    return font(max(1, round(_LETTERS * scale)))


def write(image: np.ndarray, text: str, place: tuple[int, int], scale: float, colour: Colour) -> None:
    """``text`` from ``place``, the left end of its line; what does not fit is cut off."""
    shape, (left, top) = _shape(text, scale)
    x, y = place[0] + left, place[1] + top
    part = image[max(0, y) : max(0, y + shape.shape[0]), max(0, x) : max(0, x + shape.shape[1])]
    shape = shape[max(0, -y) :, max(0, -x) :][: part.shape[0], : part.shape[1]]
    part[:] = part + (np.array(colour, np.float32) - part) * shape


@lru_cache(4096)
def _shape(text: str, scale: float) -> tuple[np.ndarray, tuple[int, int]]:
    """How far (height, width, 1) pixels are inside letters, from 0 to 1, and where they begin from ``text``'s line."""
    mask, place = _face(scale).getmask2(text, mode="L", anchor="ls")
    return np.array(mask, np.float32).reshape(mask.size[1], mask.size[0], 1) / 255, place


def draw_label(image: np.ndarray, text: str, box: Corners, colour: Colour, scale: float, taken: list[Corners]) -> None:
    """``text`` on a filled ground above the box, or below it if that is ``taken``, to which the ground is added."""
    width, height, below = text_size(text, scale)
    width, height = width + 3, height + below + 1
    left = min(max(box[0], 0), max(0, image.shape[1] - width - 1))
    tops = [min(max(top, 0), max(0, image.shape[0] - height)) for top in (box[1] - height, box[3])]
    grounds = [(left, top, left + width, top + height) for top in tops]
    ground = next((each for each in grounds if not any(_overlap(each, other) for other in taken)), grounds[0])
    cv2.rectangle(image, ground[:2], ground[2:], colour, cv2.FILLED)
    write(image, text, (left + 2, ground[3] - below), scale, ink_on(colour))
    taken.append(ground)


def ink_on(colour: Colour) -> Colour:
    """White or black, whichever is easier to read on ``colour``."""
    blue, green, red = colour
    dark = 0.114 * blue + 0.587 * green + 0.299 * red < 110  # luma of ITU-R BT.601
    return (255, 255, 255) if dark else (0, 0, 0)


def _overlap(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@lru_cache(64)
def plate(text: str, unit: float) -> np.ndarray:
    """White ``text`` on black, to be shown by `lay`; larger by ``unit``."""
    scale = 0.45 * unit
    width, height, below = text_size(text, scale)
    image = np.zeros((height + below + round(8 * unit), width + round(12 * unit), 3), np.uint8)
    write(image, text, (round(6 * unit), len(image) - below - round(3 * unit)), scale, (255, 255, 255))
    image.flags.writeable = False
    return image


def lay(image: np.ndarray, light: np.ndarray, *, right: bool = False, bottom: bool = False) -> None:
    """Show a plate in a corner, the frame darkened below it; what does not fit is cut off."""
    height, width = (min(own, whole) for own, whole in zip(light.shape[:2], image.shape[:2], strict=True))
    rows = slice(image.shape[0] - height, None) if bottom else slice(height)
    columns = slice(image.shape[1] - width, None) if right else slice(width)
    image[rows, columns] = cv2.addWeighted(image[rows, columns], _DARKER, light[:height, :width], 1, 0)
