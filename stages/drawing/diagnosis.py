"""A tracker's frames with what became of every box.

| box | drawn |
|---|---|
| matched to its target | thin, green |
| missed target | dashed, blue |
| false alarm | thick, red, with the track's id |
| switch of identity | thick, orange, with the old and the new id; thinner for a second after it |
| dropped: taken by a distractor or a region, or not scored | thin, grey |
| distractor, region | grey, hatched |

Kinds differ in line and label too, for those who do not see them by colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from stages.drawing.canvas import MAX_WIDTH, Canvas
from stages.drawing.overlay import SMALL
from stages.drawing.strokes import (
    Colour,
    Corners,
    draw_box,
    draw_dashed,
    draw_hatched,
    draw_label,
    lay,
    plate,
    text_size,
    whole,
    write,
)

GREY, GREEN, BLUE, RED, ORANGE = (170, 170, 170), (90, 220, 60), (255, 150, 40), (45, 45, 235), (0, 160, 255)
_STYLES: dict[str, tuple[Colour, int]] = {  # colour, and width in pixels on a frame of ordinary size
    "region": (GREY, 1),
    "distractor": (GREY, 1),
    "dropped": (GREY, 1),
    "matched": (GREEN, 1),
    "miss": (BLUE, 2),
    "false alarm": (RED, 3),
    "switch": (ORANGE, 5),
}
_LINGER = 1.0  # seconds for which a switch can be read
_LEGEND = ("matched", "miss", "false alarm", "switch", "region")
_WORDS = {"miss": "missed", "switch": "switch: old > new", "region": "not scored"}


class Verdict(Protocol):
    """One box: its kind, corners in pixels of the source's frame, and the ids that its label names."""

    kind: str
    box: tuple[float, float, float, float]
    track: int | None
    before: int | None


class Diagnosis:
    """Draws the verdicts on one sequence, frame after frame; arguments as `Overlay` has them."""

    def __init__(self, size: tuple[int, int], fps: float, most: float = MAX_WIDTH):
        self._canvas = Canvas(size, most)
        self.size = self._canvas.size
        self._linger = max(1, round(_LINGER * fps))
        self._switched: dict[int, tuple[int, str]] = {}  # track to the frame and the label of its last switch

    def draw(
        self,
        frame: np.ndarray,
        number: int,
        verdicts: Sequence[Verdict],
        caption: str,
        scores: tuple[float | None, int],
    ) -> np.ndarray:
        """Frame ``number`` with its ``verdicts``, and ``scores``: HOTA and switches so far; numbers ascend."""
        image = self._canvas.of(frame)
        taken: list[Corners] = [(0, 0, self.size[0], len(legend(self._canvas.unit)))]  # by legend and scores
        boxes = [(verdict.kind, whole(verdict.box, self._canvas.factor, self.size)) for verdict in verdicts]
        labels = [self._labelled(verdict, number) for verdict in verdicts]
        # A match soon after a switch is shown as one, thinner.
        styles = [
            (ORANGE, 2) if kind == "matched" and label else _STYLES[kind]
            for (kind, _), label in zip(boxes, labels, strict=True)
        ]
        for (kind, box), style in zip(boxes, styles, strict=True):
            self._draw_box(image, kind, box, *style)
        for (_, box), label, (colour, _) in reversed(list(zip(boxes, labels, styles, strict=True))):  # switches first
            if label:
                draw_label(image, label, box, colour, 0.38 * self._canvas.unit, taken)
        self._frame(image, caption, scores)
        return image

    def _labelled(self, verdict: Verdict, number: int) -> str:
        """What is written at a box, nothing at most of them."""
        if verdict.kind == "switch":
            self._switched[verdict.track] = number, f"{verdict.before} > {verdict.track}"
        if verdict.kind in ("switch", "matched"):
            since, text = self._switched.get(verdict.track, (number - self._linger, ""))
            return text if number - since < self._linger else ""
        return f"false {verdict.track}" if verdict.kind == "false alarm" else ""

    def _draw_box(self, image: np.ndarray, kind: str, box: Corners, colour: Colour, width: int) -> None:
        low = box[3] - box[1] < SMALL * self._canvas.unit
        width = self._canvas.wide(max(min(width, 2), width - 1) if low else width)
        if kind in ("region", "distractor"):
            draw_hatched(image, box, colour, self._canvas.unit)
        if kind == "miss":
            draw_dashed(image, box, colour, width)
        else:
            draw_box(image, box, colour, width)

    def _frame(self, image: np.ndarray, caption: str, scores: tuple[float | None, int]) -> None:
        hota, switches = scores
        unit = self._canvas.unit
        text = f"HOTA {'  -  ' if hota is None else f'{hota:.3f}'}   IDSW {switches}"
        corner, key = plate(text, unit), legend(unit)
        lay(image, corner, right=True)
        if key.shape[1] + corner.shape[1] <= image.shape[1]:
            lay(image, key)
        lay(image, plate(caption, unit), bottom=True)


@lru_cache
def legend(unit: float, kinds: Sequence[str] = _LEGEND) -> np.ndarray:
    """A plate with a sample of every kind's line and its name."""
    scale, side, space = 0.38 * unit, round(11 * unit), round(10 * unit)
    words = [_WORDS.get(kind, kind) for kind in kinds]
    widths = [text_size(word, scale)[0] for word in words]
    image = np.zeros((side + space, sum(widths) + len(words) * (side + round(1.4 * space)) + space // 2, 3), np.uint8)
    left, top, painter = space // 2, space // 2, Diagnosis((1280, 720), 1)
    for kind, word, width in zip(kinds, words, widths, strict=True):
        box = (left, top, left + side, top + side)
        painter._draw_box(image, kind, box, *_STYLES[kind])
        write(image, word, (left + side + round(5 * unit), top + side - round(unit)), scale, (255, 255, 255))
        left += side + width + round(1.4 * space)
    image.flags.writeable = False
    return image
