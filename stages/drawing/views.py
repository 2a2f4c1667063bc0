"""What videos show of one sequence, frame by frame: its tracks, their diagnosis, or two such pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from stages.drawing.canvas import MAX_WIDTH
from stages.drawing.diagnosis import Diagnosis, Verdict
from stages.drawing.overlay import Overlay, Track
from stages.sequences.annotations import corners
from stages.sequences.archive import SequenceInfo
from stages.sequences.tracks import Tracks

BETWEEN = 4  # pixels between two pictures


class View(Protocol):
    """Draws frame after frame; ``size`` is width and height of what it makes, pixels."""

    size: tuple[int, int]

    def draw(self, frame: np.ndarray, number: int) -> np.ndarray:
        """Frame ``number`` (from 1), (H, W, 3) uint8 blue-green-red, drawn on; numbers ascend."""


class Judged(Protocol):
    """What became of a sequence's boxes, and HOTA and switches up to each frame."""

    def verdicts(self, frame: int) -> Sequence[Verdict]:
        """What became of the boxes of ``frame`` (from 1)."""

    def scores(self, frame: int) -> tuple[float | None, int]:
        """HOTA (0 to 1, None before any target) and switches up to ``frame``; frames ascend."""


class TracksView:
    """Tracks in lasting colours, with ids and trails."""

    def __init__(self, info: SequenceInfo, tracks: Tracks, classes: Sequence[str], title: str, most: float = MAX_WIDTH):
        self._overlay = Overlay((info.width, info.height), classes, info.fps, most)
        self.size, self._title, self._fps = self._overlay.size, title, info.fps
        order = np.argsort(tracks.frames, kind="stable")
        self._frames, self._boxes = tracks.frames[order], corners(tracks.boxes)[order]
        self._ids, self._labels = tracks.ids[order], tracks.classes[order]

    def draw(self, frame: np.ndarray, number: int) -> np.ndarray:
        """See `View`."""
        rows = slice(*np.searchsorted(self._frames, (number, number + 1)))
        boxes, ids, labels = self._boxes[rows], self._ids[rows].tolist(), self._labels[rows].tolist()
        tracks = [Track(*each) for each in zip(ids, labels, boxes.tolist(), strict=True)]
        return self._overlay.draw(frame, number, tracks, captioned(self._title, number, self._fps))


class DiagnosisView:
    """What became of every box, see `diagnosis`."""

    def __init__(self, info: SequenceInfo, judged: Judged, title: str, most: float = MAX_WIDTH):
        self._diagnosis = Diagnosis((info.width, info.height), info.fps, most)
        self.size, self._judged, self._title, self._fps = self._diagnosis.size, judged, title, info.fps

    def draw(self, frame: np.ndarray, number: int) -> np.ndarray:
        """See `View`."""
        caption = captioned(self._title, number, self._fps)
        return self._diagnosis.draw(frame, number, self._judged.verdicts(number), caption, self._judged.scores(number))


class SideBySide:
    """Two views of one size, a white line between them."""

    def __init__(self, left: View, right: View):
        self._views = left, right
        self.size = 2 * left.size[0] + BETWEEN, left.size[1]

    def draw(self, frame: np.ndarray, number: int) -> np.ndarray:
        """See `View`."""
        left, right = (view.draw(frame, number) for view in self._views)
        return np.hstack([left, np.full((len(left), BETWEEN, 3), 255, np.uint8), right])


def captioned(title: str, number: int, fps: float) -> str:
    """The caption of frame ``number``: what it is, and its time in seconds."""
    return f"{title}   {(number - 1) / fps:5.1f} s"
