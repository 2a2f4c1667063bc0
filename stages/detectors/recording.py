"""Running a checkpoint over whole sequences, with its classes named as the pipeline names them."""

from __future__ import annotations

from collections.abc import Sequence as Names
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.detectors.base import Detector
from stages.detectors.checkpoint import load_detector
from stages.detectors.frames import detect
from stages.errors import InputError
from stages.params.model import Detection
from stages.sequences.archive import Sequence
from stages.sequences.index import open_sequence

_BATCHES = 16  # of a piece


class ClassMap:
    """From a checkpoint's class numbers to the pipeline's, by name; what the pipeline does not name is left out."""

    def __init__(self, theirs: Names[str], ours: Names[str], where: str):
        self._table = np.array([ours.index(name) if name in ours else -1 for name in theirs])
        if (self._table < 0).all():
            what = f"none of its classes is one of {', '.join(ours)}"
            raise InputError(where, what, "take it out of evaluation.checkpoints")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Re-number the classes of detections (n, 6), dropping those without a name here."""
        classes = self._table[rows[:, 5].astype(np.int64)]
        rows = rows[classes >= 0].copy()
        rows[:, 5] = classes[classes >= 0]
        return rows


def detect_sequence(
    detector: Detector,
    sequence: Sequence,
    settings: Detection,
    image_size: int,
    class_map: ClassMap,
    numbers: range | None = None,
) -> np.ndarray:
    """Detections in the frames ``numbers`` of a sequence, all if not given.

    (N, 7): frame (from 1), x1, y1, x2, y2 in pixels, score, class.
    """
    numbers = range(1, sequence.info.length + 1) if numbers is None else numbers
    found = detect(
        detector,
        (sequence.frame(frame) for frame in numbers),
        image_size=settings.image_size or image_size,
        batch=settings.batch,
        min_score=settings.min_score,
        nms_iou=settings.nms_iou,
        max_objects=settings.max_objects,
    )
    rows = [class_map(rows) for rows in found]
    frames = np.repeat(np.array(numbers), [len(each) for each in rows])
    return np.column_stack([frames, np.concatenate(rows)]) if rows else np.zeros((0, 7))


@dataclass(frozen=True)
class Piece:
    """Frames ``first`` to ``last`` of a sequence: what is detected in at a time."""

    source: str
    sequence: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.source}/{self.sequence}, frames {self.first} to {self.last}"


def pieces(source: str, sequence: Sequence, batch: int) -> list[Piece]:
    """A sequence in pieces of whole batches, so that they hold the same frames as in one go."""
    length, step = sequence.info.length, batch * _BATCHES
    name = sequence.path.stem
    return [Piece(source, name, first, min(first + step - 1, length)) for first in range(1, length + 1, step)]


class Detecting:
    """Runs the checkpoint in ``folder`` over pieces of sequences, on a GPU if there is one. Pickles without weights."""

    def __init__(self, folder: Path, classes: tuple[str, ...], settings: Detection):
        self._folder, self._classes, self._settings = folder, classes, settings
        self._loaded: tuple[Detector, int, ClassMap] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}

    def load(self) -> None:
        """Load the checkpoint; raises `InputError` where it is damaged, or has none of the pipeline's classes."""
        if self._loaded is None:
            detector, card = load_detector(self._folder, "cuda" if torch.cuda.is_available() else "cpu")
            class_map = ClassMap(card.architecture.classes, self._classes, str(self._folder))
            self._loaded = detector, card.image_size, class_map

    def __call__(self, piece: Piece) -> np.ndarray:
        """What is found in a piece, see `detect_sequence`."""
        self.load()
        detector, image_size, class_map = self._loaded
        sequence = open_sequence(piece.source, piece.sequence)
        numbers = range(piece.first, piece.last + 1)
        return detect_sequence(detector, sequence, self._settings, image_size, class_map, numbers)
