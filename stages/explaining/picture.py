"""The picture of one mistake: the frame in grey under its heat map, the boxes, a key and the sentence."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from stages.explaining.account import DETECTED, Account
from stages.explaining.explainer import Scene
from stages.explaining.mistakes import MISS, Mistake
from stages.lettering import FAINT, INK, fitted, font

WIDTH = 640  # pixels, of the picture
_AROUND, _LEAST = 6, 160  # the part of a frame that is shown: so many times the box's longer side; pixels, at least
_WHOLE = 0.7  # share of the frame from which all of it is shown
_TALLEST = 0.75  # height over width of what is shown
_MAP = cv2.COLORMAP_INFERNO  # lightness rises evenly with the heat (Matplotlib's `inferno`)
_VEIL = 0.72  # how much the warmest place hides of the frame
_MOST = 99_000  # bytes
_EDGE, _LINE = 10, 17  # pixels: the key's margin, a line of text
_WHITE, _SKY, _GREEN = (255, 255, 255), (86, 180, 233), (120, 230, 170)

Box = tuple[int, int, int, int]


def write_picture(path: Path, account: Account, scene: Scene, sentence: str) -> None:
    """Write the picture as JPEG of `WIDTH` pixels and less than 100 kB."""
    picture = draw(account, scene, sentence)
    for quality in (90, 80, 65, 50, 30):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, subsampling=0 if quality > 60 else 2, optimize=True)
        if file.tell() <= _MOST:
            break
    path.write_bytes(file.getvalue())


def draw(account: Account, scene: Scene, sentence: str) -> Image.Image:
    """The picture, `WIDTH` pixels wide: the overlay above, key and sentence below."""
    height, width = scene.frame.shape[:2]
    part = part_shown(account.mistake.box, width, height)
    overlay = _overlay(account, scene, part)
    lines = wrapped(sentence, WIDTH - 2 * _EDGE)
    page = Image.new("RGB", (WIDTH, overlay.height + 2 * _LINE + 14 + _LINE * len(lines) + 10), "white")
    page.paste(overlay, (0, 0))
    pen = ImageDraw.Draw(page)
    top = _key(pen, account, scene, overlay.height + 7)
    pen.text((_EDGE, top), _place(pen, account.mistake, part, (width, height)), FAINT, font(12))
    for number, line in enumerate(lines, 1):
        pen.text((_EDGE, top + number * _LINE + 3), line, INK, font(13))
    return page


def part_shown(box: np.ndarray, width: int, height: int) -> Box:
    """The part of a frame that is shown around ``box``, x1 y1 x2 y2, of the frame's shape but at most so tall."""
    tall = min(_TALLEST, height / width)
    wide = max(_LEAST, _AROUND * float((box[2:] - box[:2]).max()))
    if wide >= _WHOLE * width and tall * width >= height:
        return 0, 0, width, height
    wide = round(min(wide, width))
    high = min(height, max(1, round(wide * tall)))
    left, top = (
        int(np.clip(round(float(box[axis] + box[axis + 2]) / 2 - side / 2), 0, most - side))
        for axis, side, most in ((0, wide, width), (1, high, height))
    )
    return left, top, left + wide, top + high


def wrapped(text: str, width: int, size: int = 13) -> list[str]:
    """``text`` in lines of at most ``width`` pixels, broken between words; a longer word loses its middle."""
    pen, lines = ImageDraw.Draw(Image.new("RGB", (1, 1))), [""]
    for word in text.replace(" %", "\u00a0%").split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font(size)) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(pen, word, width, font(size)))
    return [line for line in lines if line]


def _overlay(account: Account, scene: Scene, part: Box) -> Image.Image:
    """The shown part of the frame under its heat, with the boxes."""
    x1, y1, x2, y2 = part
    factor = WIDTH / (x2 - x1)
    size = WIDTH, max(1, round((y2 - y1) * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    frame = cv2.resize(scene.frame[y1:y2, x1:x2], size, interpolation=method)
    warmest = float(account.heat.map.max())
    share = account.heat.map[y1:y2, x1:x2] / np.float32(warmest if warmest > 0 else 1)
    share = np.clip(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    picture = Image.fromarray(_warmed(frame, share))
    pen = ImageDraw.Draw(picture)

    def placed(box: np.ndarray) -> Box:
        return tuple(round(float(value)) for value in (box - np.array([x1, y1, x1, y1])) * factor)

    for tint, boxes in ((_GREEN, scene.annotated), (_SKY, scene.detected)):
        for box in boxes:
            _outlined(pen, placed(box), tint, 1)
    _outlined(pen, placed(account.mistake.box), _WHITE, 3)
    if account.box is not None:
        _outlined(pen, placed(account.box), _SKY, 2, dash=6)
    return picture


def _warmed(frame: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A blue-green-red frame, mostly grey, under heat (H, W) 0 to 1: (H, W, 3) red-green-blue."""
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[..., None].astype(np.float32)
    dim = 0.85 * (0.7 * grey + 0.3 * frame.astype(np.float32))
    tint = cv2.applyColorMap((255 * share).astype(np.uint8), _MAP).astype(np.float32)
    veil = _VEIL * np.minimum(1, 2.5 * share)[..., None]  # cool places leave the frame as it is
    return cv2.cvtColor(((1 - veil) * dim + veil * tint).astype(np.uint8), cv2.COLOR_BGR2RGB)


def _outlined(pen: ImageDraw.ImageDraw, box: Box, tint: tuple, width: int, dash: int = 0) -> None:
    """A rectangle, with a dark edge if it is bold; or in dashes of so many pixels, between which a box below shows."""
    x1, y1, x2, y2 = box[0], box[1], max(box[0] + 1, box[2]), max(box[1] + 1, box[3])
    if width > 1 and not dash:
        pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=width + 2)
    if not dash:
        pen.rectangle((x1, y1, x2, y2), outline=tint, width=width)
        return
    for x in range(x1, x2, 2 * dash):
        for y in (y1, y2 - width + 1):
            pen.rectangle((x, y, min(x + dash, x2), y + width - 1), fill=tint)
    for y in range(y1, y2, 2 * dash):
        for x in (x1, x2 - width + 1):
            pen.rectangle((x, y, x + width - 1, min(y + dash, y2)), fill=tint)


def _key(pen: ImageDraw.ImageDraw, account: Account, scene: Scene, top: int) -> int:
    """What the boxes and the colours are, in a line at ``top``; returns where the next line begins."""
    x = _EDGE
    missed = account.mistake.kind == MISS
    explained = "its detection" if account.fate == DETECTED else "candidate"
    entries = (
        ("missed" if missed else "false track", _WHITE, 3, 0, True),
        (explained, _SKY, 2, 3, account.box is not None),
        ("annotated", _GREEN, 1, 0, len(scene.annotated) > 0),
        ("detected", _SKY, 1, 0, len(scene.detected) > 0),
    )
    for text, tint, width, dash in (entry[:4] for entry in entries if entry[4]):
        pen.rectangle((x, top, x + 22, top + 15), fill=(90, 90, 90))
        _outlined(pen, (x + 4, top + 4, x + 18, top + 11), tint, width, dash)
        pen.text((x + 28, top), text, INK, font(12))
        x += 28 + int(pen.textlength(text, font(12))) + 14
    _bar(pen, top)
    return top + _LINE + 3


def _bar(pen: ImageDraw.ImageDraw, top: int) -> None:
    """The heat's colours from none to the warmest place, at the right."""
    colours = cv2.cvtColor(cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], _MAP), cv2.COLOR_BGR2RGB)[0]
    right = WIDTH - _EDGE
    pen.text((right - 48, top), "warmest", INK, font(12))
    for step in range(80):
        pen.line((right - 136 + step, top + 2, right - 136 + step, top + 13), tuple(colours[step * 255 // 79].tolist()))
    pen.text((right - 172, top), "none", INK, font(12))


def _place(pen: ImageDraw.ImageDraw, mistake: Mistake, part: Box, size: Sequence[int]) -> str:
    """Where it is, in a line."""
    tail = f", frame {mistake.frame}"
    if part[2:] != tuple(size) or part[:2] != (0, 0):
        tail += f"; shown: {part[2] - part[0]} x {part[3] - part[1]} of {size[0]} x {size[1]} px"
    name = f"{mistake.source}/{mistake.sequence}"
    return fitted(pen, name, WIDTH - 2 * _EDGE - int(pen.textlength(tail, font(12))), font(12)) + tail
