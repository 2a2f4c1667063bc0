"""Tracks drawn on frames: boxes in lasting colours, labels and short trails, readable at any frame size."""

from __future__ import annotations

import colorsys
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stages.drawing.canvas import MAX_WIDTH, Canvas
from stages.drawing.strokes import Colour, Corners, draw_box, draw_label, lay, plate, whole

TRAIL = 1.0  # seconds
SMALL = 36  # pixels; boxes lower than this get their number alone
_GOLDEN = 0.618034  # of the colour circle: steps of the golden ratio fill it evenly
_TONES = ((0.9, 1.0), (0.55, 1.0), (0.9, 0.8), (0.4, 0.95), (0.75, 0.9))  # saturation and value

Point = tuple[int, int]


@dataclass(frozen=True)
class Track:
    """One track box: its id, class from 0, x1, y1, x2, y2 in pixels of the source's frame, and its score if shown."""

    id: int
    label: int
    box: np.ndarray
    score: float | None = None


class Overlay:
    """Draws the tracks of one sequence, frame after frame: ``size`` (width, height) in pixels comes in.

    ``fps`` in frames a second is for how long trails last; frames wider than ``most`` pixels are shrunk.
    """

    def __init__(self, size: tuple[int, int], classes: Sequence[str], fps: float, most: float = MAX_WIDTH):
        self._canvas = Canvas(size, most)
        self.size = self._canvas.size
        self._classes, self._trail = classes, max(1, round(TRAIL * fps))
        self._trails: dict[int, deque[tuple[int, Point]]] = defaultdict(deque)

    def draw(self, frame: np.ndarray, number: int, tracks: Iterable[Track], caption: str) -> np.ndarray:
        """Frame ``number``, (H, W, 3) uint8 blue-green-red, with its tracks, at ``self.size``; numbers ascend."""
        image, factor = self._canvas.of(frame), self._canvas.factor
        present = [(track, whole(track.box, factor, self.size)) for track in tracks]
        for track, (x1, _, x2, y2) in present:
            self._trails[track.id].append((number, ((x1 + x2) // 2, y2)))
        _forget(self._trails, number - self._trail)
        for track, _ in present:
            _draw_trail(image, self._trails[track.id], colour_of(track.id), self._canvas.wide(1))
        self._draw_boxes(image, present)
        lay(image, plate(caption, self._canvas.unit), bottom=True)
        return image

    def _draw_boxes(self, image: np.ndarray, tracks: list[tuple[Track, Corners]]) -> None:
        """All boxes, and over them the labels, which keep off one another where there is room."""
        taken: list[Corners] = []
        unit = self._canvas.unit
        low = [box[3] - box[1] < SMALL * unit for _, box in tracks]
        for (track, box), small in zip(tracks, low, strict=True):
            draw_box(image, box, colour_of(track.id), self._canvas.wide(1 if small else 3))
        for (track, box), small in zip(tracks, low, strict=True):
            text = str(track.id) if small else self._label(track)
            draw_label(image, text, box, colour_of(track.id), (0.36 if small else 0.42) * unit, taken)

    def _label(self, track: Track) -> str:
        text = f"{self._classes[track.label]} {track.id}"
        return text if track.score is None else f"{text} {track.score:.2f}"


@lru_cache(4096)
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


def _draw_trail(image: np.ndarray, trail: Iterable[tuple[int, Point]], colour: Colour, width: int) -> None:
    points = np.array([point for _, point in trail], np.int32)
    if len(points) > 1:
        cv2.polylines(image, [points], False, colour, width, cv2.LINE_AA)
