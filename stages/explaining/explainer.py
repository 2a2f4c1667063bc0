"""Explains mistakes one by one: what the detector weighed in the frame, and what stands around.

Reads frames and ground truth from data/sources/ and detections from data/detections/CHECKPOINT/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from stages.explaining.account import Account, Asked, account_of
from stages.explaining.choosing import Found
from stages.explaining.looking import Network, Prepare, Sight
from stages.explaining.mistakes import Mistake
from stages.params import Params
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, LEFT, corners, mapped, purposes
from stages.sequences.detections import read_detections
from stages.sequences.index import SOURCES, open_sequence, read_labels


@dataclass(frozen=True)
class Scene:
    """What a picture shows: the frame (H, W, 3) blue-green-red, and boxes (n, 4) x1 y1 x2 y2 in it, in pixels."""

    frame: np.ndarray
    annotated: np.ndarray  # targets and distractors
    detected: np.ndarray  # of the mistake's class


class Detections:
    """The stored detections of a checkpoint, sequence by sequence; the last one read is kept."""

    def __init__(self, params: Params, folder: Path, root: Path = SOURCES):
        self._params, self._folder, self._root = params, folder, root
        self.of = lru_cache(maxsize=1)(self._read)

    def _read(self, source: str, name: str) -> Found:
        sequence = open_sequence(source, name, self._root)
        length = sequence.info.length
        sequence.close()
        table = read_detections(self._folder / source / f"{name}.parquet", length, len(self._params.classes))
        return Found(table, self._params.classes)


class Explainer:
    """Explains mistakes by one detector; ``names`` are its own classes, which may be others than the pipeline's."""

    def __init__(
        self,
        params: Params,
        detections: Detections,
        detector: Network,
        names: Sequence[str],
        prepare: Prepare,
        root: Path = SOURCES,
    ):
        self._params, self._detections, self._root = params, detections, root
        self._detector, self._names, self._prepare = detector, list(names), prepare
        settings = params.evaluation.detection
        self.asked = Asked(settings.min_score, settings.nms_iou)

    def explain(self, mistake: Mistake) -> tuple[Account, Scene]:
        """What is to be said of a mistake, and what a picture of it shows; raises `InputError` for absent data."""
        found = self._detections.of(mistake.source, mistake.sequence)
        detections, detection = found.of_class(mistake), found.at(mistake)
        frame, annotated = self._frame(mistake)
        known = mistake.label in self._names
        sight = Sight(self._detector, self._prepare, frame, self._names.index(mistake.label) if known else 0)
        account = account_of(mistake, sight, detections, detection, self.asked, known)
        return account, Scene(frame, annotated, detections[:, :4])

    def _frame(self, mistake: Mistake) -> tuple[np.ndarray, np.ndarray]:
        sequence = open_sequence(mistake.source, mistake.sequence, self._root)
        frame, gt = sequence.frame(mistake.frame), sequence.gt()
        sequence.close()
        gt = gt[gt[:, FRAME] == mistake.frame]
        labels, mapping = read_labels(mistake.source, self._root), self._params.sources[mistake.source].classes
        with mapped(str(sequence.path), mistake.source):
            shown = purposes(gt, labels, mapping, self._params.classes) >= DISTRACTOR
        return frame, corners(gt[shown, LEFT : HEIGHT + 1])
