"""Tracks drawn on frames: boxes in lasting colours, labels and short trails, readable at any frame size."""

from __future__ import annotations

import colorsys
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MAX_WIDTH = 1280  # pixels; the plots' wider frames are shrunk, and above this size all that is drawn grows with them
DOUBLE_BELOW = 640  # pixels; frames up to this width are drawn at twice their size, so that text can be read
TRAIL = 1.0  # seconds
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALL = 36  # pixels; boxes lower than this get their number alone
_GOLDEN = 0.618034  # of the colour circle: steps of the golden ratio fill it evenly
_TONES = ((0.9, 1.0), (0.55, 1.0), (0.9, 0.8), (0.4, 0.95), (0.75, 0.9))  # saturation and value

Colour = tuple[int, int, int]
Point = tuple[int, int]
Ground = tuple[int, int, int, int]  # x1 y1 x2 y2


@dataclass(frozen=True)
class Track:
    """One track box: its id, class from 0, x1, y1, x2, y2 in pixels of the source's frame, and its score if shown."""

    id: int
    label: int
    box: np.ndarray
    score: float | None = None


def output_size(width: int, height: int, most: float = MAX_WIDTH) -> tuple[int, int, float]:
    """Width and height of a video, both even as yuv420p needs, and the factor from the frame's own size.

    Frames wider than ``most`` are shrunk.
    """
    factor = 2.0 if width <= DOUBLE_BELOW else min(1.0, most / width)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2), factor


class Overlay:
    """Draws the tracks of one sequence, frame after frame: ``size`` (width, height) in pixels comes in.

    ``fps`` in frames a second is for how long trails last; frames wider than ``most`` pixels are shrunk.
    """

    def __init__(self, size: tuple[int, int], classes: Sequence[str], fps: float, most: float = MAX_WIDTH):
        *self.size, self._factor = output_size(*size, most)
        self._unit = max(1.0, max(self.size) / MAX_WIDTH)  # by which all is larger than on a frame of that width
        self._classes, self._trail = classes, max(1, round(TRAIL * fps))
        self._trails: dict[int, deque[tuple[int, Point]]] = defaultdict(deque)

    def draw(self, frame: np.ndarray, number: int, tracks: Iterable[Track], caption: str) -> np.ndarray:
        """Frame ``number``, (H, W, 3) uint8 blue-green-red, with its tracks, at ``self.size``; numbers ascend."""
        method = cv2.INTER_CUBIC if self._factor > 1 else cv2.INTER_AREA
        image = cv2.resize(frame, tuple(self.size), interpolation=method)
        present = [Track(track.id, track.label, track.box * self._factor, track.score) for track in tracks]
        for track in present:
            self._trails[track.id].append((number, (round(track.box[[0, 2]].mean()), round(track.box[3]))))
        _forget(self._trails, number - self._trail)
        for track in present:
            _draw_trail(image, [point for _, point in self._trails[track.id]], colour_of(track.id), self._wide(1))
        self._draw_boxes(image, present)
        _draw_caption(image, caption, self._unit)
        return image

    def _wide(self, width: float) -> int:
        return max(1, round(width * self._unit))

    def _draw_boxes(self, image: np.ndarray, tracks: list[Track]) -> None:
        """All boxes, and over them the labels, which keep off one another where there is room."""
        taken: list[Ground] = []
        low = [track.box[3] - track.box[1] < _SMALL * self._unit for track in tracks]
        for track, small in zip(tracks, low, strict=True):
            x1, y1, x2, y2 = (round(value) for value in track.box)
            width = self._wide(1 if small else 2)
            cv2.rectangle(image, (x1, y1), (x2, y2), colour_of(track.id), width, cv2.LINE_AA)
        for track, small in zip(tracks, low, strict=True):
            text = str(track.id) if small else self._label(track)
            taken.append(_draw_label(image, text, track, (0.36 if small else 0.42) * self._unit, taken))

    def _label(self, track: Track) -> str:
        text = f"{self._classes[track.label]} {track.id}"
        return text if track.score is None else f"{text} {track.score:.2f}"


def colour_of(track_id: int) -> Colour:
    """A colour that is the same for an id wherever it appears; ids near one another are far apart in hue."""
    saturation, value = _TONES[track_id % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb(track_id * _GOLDEN % 1, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def _forget(trails: dict[int, deque[tuple[int, Point]]], before: int) -> None:
    for track_id in list(trails):
        while trails[track_id] and trails[track_id][0][0] <= before:
            trails[track_id].popleft()
        if not trails[track_id]:
            del trails[track_id]


def _draw_trail(image: np.ndarray, points: list[Point], colour: Colour, width: int) -> None:
    if len(points) > 1:
        cv2.polylines(image, [np.array(points, np.int32)], False, colour, width, cv2.LINE_AA)


def _draw_label(image: np.ndarray, text: str, track: Track, scale: float, taken: list[Ground]) -> Ground:
    """``text`` on a filled ground above the box, or below it if that is ``taken``; returns the ground."""
    stroke = _stroke(scale)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    width, height = width + 3, height + baseline + 1
    left = int(np.clip(round(track.box[0]), 0, max(0, image.shape[1] - width - 1)))
    tops = [int(np.clip(round(top), 0, image.shape[0] - height)) for top in (track.box[1] - height, track.box[3])]
    grounds = [(left, top, left + width, top + height) for top in tops]
    ground = next((each for each in grounds if not any(_overlap(each, other) for other in taken)), grounds[0])
    colour = blue, green, red = colour_of(track.id)
    cv2.rectangle(image, ground[:2], ground[2:], colour, cv2.FILLED)
    dark = 0.114 * blue + 0.587 * green + 0.299 * red < 110  # luma of ITU-R BT.601
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(image, text, (left + 2, ground[3] - baseline), _FONT, scale, ink, stroke, cv2.LINE_AA)
    return ground


def _stroke(scale: float) -> int:
    """How many pixels wide letters of a size are drawn."""
    return max(1, round(1.8 * scale))


def _overlap(a: Ground, b: Ground) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _draw_caption(image: np.ndarray, text: str, unit: float) -> None:
    """White on a dark ground in the lower left corner."""
    scale = 0.45 * unit
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, _stroke(scale))
    bottom = image.shape[0]
    ground = image[max(0, bottom - height - baseline - round(8 * unit)) :, : width + round(12 * unit)]
    ground[:] = (ground * 0.35).astype(np.uint8)
    place = (round(6 * unit), bottom - baseline - round(3 * unit))
    cv2.putText(image, text, place, _FONT, scale, (255, 255, 255), _stroke(scale), cv2.LINE_AA)
