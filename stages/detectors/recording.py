"""Running a checkpoint over whole sequences, with its classes named as the pipeline names them."""

from __future__ import annotations

from collections.abc import Sequence as Names

import numpy as np

from stages.detectors.base import Detector
from stages.detectors.frames import detect
from stages.errors import InputError
from stages.params.model import Detection
from stages.sequences.archive import Sequence


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
    detector: Detector, sequence: Sequence, settings: Detection, image_size: int, class_map: ClassMap
) -> np.ndarray:
    """All detections of a sequence, (N, 7): frame (from 1), x1, y1, x2, y2 in pixels, score, class."""
    found = detect(
        detector,
        (sequence.frame(frame) for frame in range(1, sequence.info.length + 1)),
        image_size=settings.image_size or image_size,
        batch=settings.batch,
        min_score=settings.min_score,
        nms_iou=settings.nms_iou,
        max_objects=settings.max_objects,
    )
    rows = [class_map(rows) for rows in found]
    frames = np.repeat(np.arange(1, len(rows) + 1), [len(each) for each in rows])
    return np.column_stack([frames, np.concatenate(rows)]) if rows else np.zeros((0, 7))
