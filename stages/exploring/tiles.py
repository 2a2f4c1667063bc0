"""Sample frames of a view with their boxes: targets in their class's lasting colour, the rest in grey."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from stages.exploring.colours import class_colour
from stages.exploring.statistics import ROLES, Row
from stages.exploring.views import View
from stages.lettering import FAINT, INK, fitted, font
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, LEFT, REGION, corners
from stages.sequences.index import SOURCES, open_sequence

FRAMES_COLUMNS = ("tile", "source", "sequence", "part", "frame", "seconds", "class", "boxes")
TILES, COLUMNS = 6, 3
_GAP, _CAPTION, _KEY = 8, 19, 24  # pixels
_TALLEST = 0.75  # height over width of a tile's place
_GREY, _DARK = (225, 225, 225), (60, 60, 60)
_HATCH, _DASH = 10, 4  # pixels between a region's lines, and of a distractor's dashes


@dataclass(frozen=True)
class Tile:
    """One frame (from 1) to draw, and the part of the view that it stands for."""

    source: str
    sequence: str
    frame: int
    part: str
    seconds: float


def choose_tiles(view: View) -> list[Tile]:
    """`TILES` frames spread evenly over the view, all of them if it has fewer.

    Of clips longer than a frame the first and the last frame are shown, one after the other.
    """
    shown = {(item.source, item.info.name): item for item in view.shown}
    picks = _of_clips(view) if view.clips else _of_sequences(view)
    return [
        Tile(source, name, frame, view.parts[shown[source, name].part], (frame - 1) / shown[source, name].info.fps)
        for source, name, frame in picks
    ]


def _of_clips(view: View) -> list[tuple[str, str, int]]:
    longer = any(len(clip.frames) > 1 for clip in view.clips)
    return [
        (clip.source, clip.sequence, frame)
        for clip in _spread(view.clips, TILES // 2 if longer else TILES)
        for frame in dict.fromkeys((clip.frames[0], clip.frames[-1]))
    ]


def _of_sequences(view: View) -> list[tuple[str, str, int]]:
    """From sequences spread over the source: of each another moment, and a frame with boxes where there is one."""
    ends = np.cumsum([len(item.frames) for item in view.shown])
    annotated = np.unique(view.boxes.frame)
    picks = []
    for turn, place in enumerate(_spread(range(int(ends[-1])), TILES)):
        number = int(np.searchsorted(ends, place, "right"))
        item = view.shown[number]
        start = int(ends[number]) - len(item.frames)
        inside = annotated[slice(*np.searchsorted(annotated, (start, ends[number])))] - start
        frames = item.frames[inside] if len(inside) else item.frames
        picks.append((item.source, item.info.name, int(frames[int((turn + 0.5) / TILES * len(frames))])))
    return list(dict.fromkeys(picks))


def _spread(items: tuple | range, count: int) -> list:
    """``count`` of ``items``, each from the middle of a stretch of equal length."""
    if len(items) <= count:
        return list(items)
    return [items[int((place + 0.5) * len(items) / count)] for place in range(count)]


def draw_frames(view: View, tiles: list[Tile], width: int, root: Path = SOURCES) -> tuple[np.ndarray, list[Row]]:
    """The tiles in rows of three with a key, (H, width, 3) uint8 red-green-blue, and the table of what they show."""
    place = (width - (COLUMNS + 1) * _GAP) // COLUMNS
    tall = round(place * min(_TALLEST, view.shape()))
    rows = -(-len(tiles) // COLUMNS)
    page = Image.new("RGB", (width, _KEY + rows * (tall + _CAPTION + _GAP)), "white")
    table: list[Row] = []
    for number, tile in enumerate(tiles):
        picture, found = _picture(view, tile, place, tall, root)
        x = _GAP + number % COLUMNS * (place + _GAP)
        y = _KEY + number // COLUMNS * (tall + _CAPTION + _GAP)
        page.paste(picture, (x + (place - picture.width) // 2, y + (tall - picture.height) // 2))
        _caption(page, tile, (x, y + tall), place, view)
        head = {"tile": number + 1, **tile.__dict__, "seconds": round(tile.seconds, 3)}
        table += [{**head, "class": name, "boxes": count} for name, count in found.items()]
    _draw_key(page, view)
    return np.asarray(page), table


def _caption(page: Image.Image, tile: Tile, place: tuple[int, int], width: int, view: View) -> None:
    draw = ImageDraw.Draw(page)
    head = tile.part if view.kind == "source" else tile.source
    tail = f"  frame {tile.frame}, {tile.seconds:.1f} s"
    name = f"{head}: {tile.sequence}"
    name = fitted(draw, name, width - int(draw.textlength(tail, font(12))), font(12))
    draw.text((place[0], place[1] + 2), name + tail, INK, font(12))


def _picture(view: View, tile: Tile, width: int, height: int, root: Path) -> tuple[Image.Image, dict[str, int]]:
    """A frame in at most ``width`` x ``height`` pixels with its boxes, and how many it has of every class."""
    sequence = open_sequence(tile.source, tile.sequence, root)
    image, gt = sequence.frame(tile.frame), sequence.gt()
    sequence.close()
    gt = gt[gt[:, FRAME] == tile.frame]
    purpose = view.meanings[tile.source].purposes(gt)
    factor = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    boxes = corners(gt[:, LEFT : HEIGHT + 1]) * factor
    _hatch(image, boxes[purpose == REGION])
    picture = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    draw = ImageDraw.Draw(picture)
    for box in boxes[purpose == DISTRACTOR]:
        _dashed(draw, box)
    for box, number in zip(boxes[purpose >= 0], purpose[purpose >= 0], strict=True):
        draw.rectangle(_whole(box), outline=_rgb(int(number)), width=2 if min(box[2:] - box[:2]) >= 8 else 1)
    names = {**dict(enumerate(view.classes)), **ROLES}
    found = Counter(names[int(number)] for number in purpose)
    return picture, {name: found[name] for name in names.values() if name in view.classes or found[name]}


def _whole(box: np.ndarray) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return x1, y1, max(x1, x2), max(y1, y2)


def _rgb(number: int) -> tuple[int, int, int]:
    return tuple(round(255 * value) for value in class_colour(number))


def _hatch(image: np.ndarray, boxes: np.ndarray) -> None:
    """Lay slanted grey lines and an edge over every region of ``image`` (H, W, 3), in place."""
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    for box in boxes:
        x1, y1, x2, y2 = np.clip(_whole(box), 0, (image.shape[1], image.shape[0]) * 2)
        lines = (x[:, x1:x2] + y[y1:y2]) % _HATCH < 1
        image[y1:y2, x1:x2][lines] = _GREY
        cv2.rectangle(image, (int(x1), int(y1)), (int(x2) - 1, int(y2) - 1), _GREY, 1)


def _dashed(draw: ImageDraw.ImageDraw, box: np.ndarray) -> None:
    """A rectangle in light and dark dashes, which show on any ground."""
    x1, y1, x2, y2 = _whole(box)
    for tint, offset in ((_GREY, 0), (_DARK, _DASH)):
        for x in range(x1 + offset, x2 + 1, 2 * _DASH):
            draw.line((x, y1, min(x + _DASH - 1, x2), y1), tint)
            draw.line((x, y2, min(x + _DASH - 1, x2), y2), tint)
        for y in range(y1 + offset, y2 + 1, 2 * _DASH):
            draw.line((x1, y, x1, min(y + _DASH - 1, y2)), tint)
            draw.line((x2, y, x2, min(y + _DASH - 1, y2)), tint)


def _draw_key(page: Image.Image, view: View) -> None:
    """Which colour is which class, above the frames."""
    draw, x = ImageDraw.Draw(page), _GAP
    for number, name in enumerate(view.classes):
        draw.rectangle((x, 6, x + 16, 17), outline=_rgb(number), width=2)
        draw.text((x + 21, 4), name, INK, font(12))
        x += 36 + int(draw.textlength(name, font(12)))
        if x > page.width - 400:
            draw.text((x, 4), "…", INK, font(12))
            x += 20
            break
    draw.text((x + 10, 4), "dashed: distractor    hatched: region    dropped boxes are not drawn", FAINT, font(12))
