"""Reading clips: frames, boxes, identities and times, from sequence archives by random access."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest
from stages.mixtures.targets import is_target
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, ID, LEFT, REGION, corners, mapped, purposes
from stages.sequences.archive import Sequence
from stages.sequences.index import SOURCES, require_whole

_MOST_OPEN = 256  # archives at a time: a process may hold 1024 files, and a mixture can have more sequences

Place = tuple[str, str]  # source, sequence


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
    """Opens sequences on first use and keeps the last used open; pickles and forks to loader workers."""

    def __init__(self, manifest: Manifest, root: Path = SOURCES):
        self._manifest, self._root = manifest, root
        self._open: OrderedDict[Place, Sequence] = OrderedDict()
        self._targets: dict[Place, dict[int, Targets]] = {}
        self._process = os.getpid()

    def __reduce__(self) -> tuple:
        return ClipReader, (self._manifest, self._root)

    def read(self, clip: Clip) -> ClipData:
        """Read one clip."""
        sequence = self._sequence((clip.source, clip.sequence))
        return ClipData(
            frames=[sequence.frame(frame) for frame in clip.frames],
            targets=self.targets(clip),
            times=[(frame - clip.frames[0]) / sequence.info.fps for frame in clip.frames],
        )

    def targets(self, clip: Clip) -> list[Targets]:
        """The targets of each of a clip's frames, without a frame being read."""
        place = clip.source, clip.sequence
        if place not in self._targets:
            self._targets[place] = self._read_targets(clip.source, self._sequence(place))
        return [self._targets[place].get(frame, _NOTHING) for frame in clip.frames]

    def size(self, clip: Clip) -> tuple[int, int]:
        """Width and height of a clip's frames, as its sequence says."""
        info = self._sequence((clip.source, clip.sequence)).info
        return info.width, info.height

    def verify(self) -> None:
        """Check every archive against the manifest's sha256; raises `InputError`."""
        for source, meaning in self._manifest.sources.items():
            for name, expected in meaning.sequences.items():
                require_whole(self._root / source / f"{name}.zip", expected, source)

    def _sequence(self, place: Place) -> Sequence:
        if self._process != os.getpid():  # forked: an inherited file would share its position with the parent's
            self._open, self._process = OrderedDict(), os.getpid()
        if place not in self._open:
            self._open[place] = Sequence(self._root / place[0] / f"{place[1]}.zip")
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(place)
        return self._open[place]

    def _read_targets(self, source: str, sequence: Sequence) -> dict[int, Targets]:
        meaning, gt = self._manifest.sources[source], sequence.gt()
        with mapped(str(sequence.path), source):
            purpose = purposes(gt, meaning.labels, meaning.mapping, self._manifest.classes)
        return targets_by_frame(gt, purpose, self._manifest.min_visibility)


_NO_BOXES = np.zeros((0, 4), np.float32)
_NOTHING = Targets(_NO_BOXES, np.zeros(0, np.int64), np.zeros(0, np.int64), _NO_BOXES, _NO_BOXES)


def targets_by_frame(gt: np.ndarray, purpose: np.ndarray, min_visibility: float = 0.0) -> dict[int, Targets]:
    """Group ground truth (N, 9) with its purposes (N,) by frame; targets too little visible become distractors."""
    order = np.argsort(gt[:, FRAME], kind="stable")
    gt, purpose = gt[order], purpose[order]
    boxes, identities = corners(gt[:, LEFT : HEIGHT + 1]).astype(np.float32), gt[:, ID].astype(np.int64)
    target = is_target(gt, purpose, min_visibility)
    distractor = ((purpose >= 0) & ~target) | (purpose == DISTRACTOR)
    region = purpose == REGION
    frames, starts = np.unique(gt[:, FRAME], return_index=True)
    result = {}
    for frame, start, end in zip(frames, starts, [*starts, len(gt)][1:], strict=True):
        here = slice(start, end)
        found, box = target[here], boxes[here]
        ignored = box[distractor[here]], box[region[here]]
        result[int(frame)] = Targets(box[found], purpose[here][found], identities[here][found], *ignored)
    return result
