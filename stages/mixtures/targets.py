"""What is to be found in a sequence, as columns: for counting and weighing, without a frame being read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.params import Params
from stages.sequences.annotations import FRAME, HEIGHT, ID, WIDTH, mapped, purposes, too_hidden
from stages.sequences.archive import Sequence
from stages.sequences.index import SOURCES

# A box's size class by its area in pixels of the source's frames, as COCO has them (cocodataset.org/#detection-eval).
SIZES: tuple[str, ...] = ("small", "medium", "large")
_AREAS = np.array([32.0**2, 96.0**2])  # where medium and large begin


@dataclass(frozen=True)
class TargetRows:
    """The targets of a sequence of ``length`` frames at ``fps`` frames a second, one row a box.

    ``frame``, ``identity``, ``category`` (number of the class) and ``size`` (number in `SIZES`) are (N,) int64.
    """

    length: int
    fps: float
    frame: np.ndarray
    identity: np.ndarray
    category: np.ndarray
    size: np.ndarray


def is_target(gt: np.ndarray, purpose: np.ndarray, min_visibility: float) -> np.ndarray:
    """Which rows of ground truth (N, 9) with purposes (N,) are to be found: of a class, and not too hidden."""
    return (purpose >= 0) & ~too_hidden(gt, min_visibility)


class TargetReader:
    """Reads the targets of sequences, each once, as a stage's mixture has them."""

    def __init__(self, params: Params, stage: str, labels: Mapping[str, Mapping[int, str]], root: Path = SOURCES):
        self._params, self._labels, self._root = params, labels, root
        self._min_visibility = params.stages[stage].mixture.min_visibility
        self._read: dict[tuple[str, str], TargetRows] = {}

    def rows(self, source: str, sequence: str) -> TargetRows:
        """The targets of one sequence; raises `InputError`."""
        if (source, sequence) not in self._read:
            self._read[source, sequence] = self._rows(source, self._root / source / f"{sequence}.zip")
        return self._read[source, sequence]

    def _rows(self, source: str, path: Path) -> TargetRows:
        archive = Sequence(path)
        gt, info = archive.gt(), archive.info
        archive.close()
        mapping = self._params.sources[source].classes
        with mapped(str(path), source):
            purpose = purposes(gt, self._labels[source], mapping, self._params.classes)
        kept = is_target(gt, purpose, self._min_visibility)
        size = np.searchsorted(_AREAS, gt[kept, WIDTH] * gt[kept, HEIGHT], side="right")
        frame, identity = gt[kept, FRAME].astype(np.int64), gt[kept, ID].astype(np.int64)
        return TargetRows(info.length, info.fps, frame, identity, purpose[kept], size)
