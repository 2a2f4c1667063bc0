"""Reading clips: frames, boxes, identities and times, from sequence archives by random access."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.files import sha256_of
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, ID, LEFT, REGION, VISIBILITY, corners, purposes
from stages.sequences.archive import Sequence
from stages.sequences.index import SOURCES


@dataclass(frozen=True)
class Targets:
    """What is to be found in one frame: boxes (N, 4) x1 y1 x2 y2 in pixels, classes (N,), identities (N,).

    ``distractors`` (D, 4) and ``regions`` (R, 4) are neither to be found nor a mistake when found.
    """

    boxes: np.ndarray
    classes: np.ndarray
    identities: np.ndarray
    distractors: np.ndarray
    regions: np.ndarray


@dataclass(frozen=True)
class ClipData:
    """A clip's frames, (H, W, 3) uint8 blue-green-red each, with their targets and their times in seconds."""

    frames: list[np.ndarray]
    targets: list[Targets]
    times: list[float]


class ClipReader:
    """Opens each sequence once a process, on first use; pickles and forks to loader workers."""

    def __init__(self, manifest: Manifest, root: Path = SOURCES):
        self._manifest, self._root = manifest, root
        self._open: dict[tuple[str, str], tuple[Sequence, dict[int, Targets]]] = {}
        self._process = os.getpid()

    def __reduce__(self) -> tuple:
        return ClipReader, (self._manifest, self._root)

    def read(self, clip: Clip) -> ClipData:
        """Read one clip."""
        sequence, targets = self._sequence(clip.source, clip.sequence)
        return ClipData(
            frames=[sequence.frame(frame) for frame in clip.frames],
            targets=[targets.get(frame, _NOTHING) for frame in clip.frames],
            times=[(frame - clip.frames[0]) / sequence.info.fps for frame in clip.frames],
        )

    def targets(self, source: str, name: str) -> dict[int, Targets]:
        """The targets of every annotated frame of a sequence."""
        return self._sequence(source, name)[1]

    def open(self, source: str, name: str) -> Sequence:
        """The archive of a sequence."""
        return self._sequence(source, name)[0]

    def verify(self) -> None:
        """Check every archive against the manifest's sha256; raises `InputError`."""
        for source, meaning in self._manifest.sources.items():
            for name, expected in meaning.sequences.items():
                path = self._root / source / f"{name}.zip"
                if not path.exists():
                    raise InputError(str(path), "the mixture's archive is absent", f"dvc repro download@{source}")
                if sha256_of(path) != expected:
                    raise InputError(str(path), "not the archive that was mixed", f"dvc repro download@{source}")

    def _sequence(self, source: str, name: str) -> tuple[Sequence, dict[int, Targets]]:
        if self._process != os.getpid():  # forked: an inherited file would share its position with the parent's
            self._open, self._process = {}, os.getpid()
        if (source, name) not in self._open:
            sequence = Sequence(self._root / source / f"{name}.zip")
            meaning = self._manifest.sources[source]
            gt = sequence.gt()
            purpose = purposes(gt, meaning.labels, meaning.mapping, self._manifest.classes)
            self._open[source, name] = sequence, targets_by_frame(gt, purpose, self._manifest.min_visibility)
        return self._open[source, name]


_NO_BOXES = np.zeros((0, 4), np.float32)
_NOTHING = Targets(_NO_BOXES, np.zeros(0, np.int64), np.zeros(0, np.int64), _NO_BOXES, _NO_BOXES)


def targets_by_frame(gt: np.ndarray, purpose: np.ndarray, min_visibility: float = 0.0) -> dict[int, Targets]:
    """Group ground truth (N, 9) with its purposes (N,) by frame; targets too little visible become distractors."""
    boxes = corners(gt[:, LEFT : HEIGHT + 1]).astype(np.float32)
    target = (purpose >= 0) & (gt[:, VISIBILITY] >= min_visibility)
    distractor = ((purpose >= 0) & ~target) | (purpose == DISTRACTOR)
    result = {}
    for frame in np.unique(gt[:, FRAME]):
        here = gt[:, FRAME] == frame
        found = here & target
        identities = gt[found, ID].astype(np.int64)
        ignored = boxes[here & distractor], boxes[here & (purpose == REGION)]
        result[int(frame)] = Targets(boxes[found], purpose[found], identities, *ignored)
    return result
