"""Strokes on frames, (H, W, 3) uint8 blue-green-red, drawn in place: boxes of several kinds, labels, plates of text."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from PIL import Image, ImageDraw
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


def text_size(text: str, scale: float) -> tuple[int, int, int]:
    """Width, height and what hangs below the line of ``text``, in pixels; higher than others where accents need it."""
    face = _face(scale)
    _, top, _, bottom = face.getbbox("Hg|", anchor="ls")
    if not text.isascii():
        top = min(top, face.getbbox(text, anchor="ls")[1])
    return ceil(face.getlength(text)), -top, bottom


def _face(scale: float) -> FreeTypeFont:
    return font(max(1, round(_LETTERS * scale)))


def write(image: np.ndarray, text: str, place: tuple[int, int], scale: float, colour: Colour) -> None:
    """``text`` from ``place``, the left end of its line; what does not fit is cut off."""
    picture = Image.fromarray(image)
    ImageDraw.Draw(picture).text(place, text, colour, _face(scale), anchor="ls")
    image[:] = picture


def draw_label(image: np.ndarray, text: str, box: Corners, colour: Colour, scale: float, taken: list[Corners]) -> None:
    """``text`` on a filled ground above the box, or below it if that is ``taken``, to which the ground is added."""
    label = _on_ground(text, colour, scale, (1, 2, 1, 2))
    height, width = label.shape[:2]
    left = min(max(box[0], 0), max(0, image.shape[1] - width))
    tops = [min(max(top, 0), max(0, image.shape[0] - height)) for top in (box[1] - height, box[3])]
    grounds = [(left, top, left + width, top + height) for top in tops]
    ground = next((each for each in grounds if not any(_overlap(each, other) for other in taken)), grounds[0])
    part = image[ground[1] : ground[3], left : ground[2]]
    part[:] = label[: part.shape[0], : part.shape[1]]
    taken.append(ground)


def _on_ground(text: str, ground: Colour, scale: float, margins: tuple[int, int, int, int]) -> np.ndarray:
    """(H, W, 3), ``text`` with ``margins`` above, right, below and left of it.

    From words: names, ids and numbers come again, the same of them together seldom.
    """
    above, right, below, left = margins
    words = [_word(f"{word} ", ground, scale) for word in text.split(" ")]
    bottom, width = above + max(map(len, words)), sum(word.shape[1] for word in words)
    image = np.full((bottom + below, left + width - _space(scale) + right, 3), ground, np.uint8)
    for word in words:
        part = image[bottom - len(word) : bottom, left : left + word.shape[1]]
        part[:] = word[:, : part.shape[1]]
        left += word.shape[1]
    return image


@lru_cache(4096)
def _word(text: str, ground: Colour, scale: float) -> np.ndarray:
    width, height, below = text_size(text, scale)
    image = np.full((height + below, width, 3), ground, np.uint8)
    write(image, text, (0, height), scale, ink_on(ground))
    return image


@lru_cache
def _space(scale: float) -> int:
    return text_size(" ", scale)[0]


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
    side = round(6 * unit)
    image = _on_ground(text, (0, 0, 0), 0.45 * unit, (round(5 * unit), side, round(3 * unit), side))
    image.flags.writeable = False
    return image


def lay(image: np.ndarray, light: np.ndarray, *, right: bool = False, bottom: bool = False) -> None:
    """Show a plate in a corner, the frame darkened below it; what does not fit is cut off."""
    height, width = (min(own, whole) for own, whole in zip(light.shape[:2], image.shape[:2], strict=True))
    rows = slice(image.shape[0] - height, None) if bottom else slice(height)
    columns = slice(image.shape[1] - width, None) if right else slice(width)
    image[rows, columns] = cv2.addWeighted(image[rows, columns], _DARKER, light[:height, :width], 1, 0)
