"""What is exported: a source's sequence archives, their splits, and the names of their classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from stages.sequences.annotations import FRAME
from stages.sequences.archive import Sequence, SequenceInfo
from stages.sequences.index import SOURCES, read_index, read_labels, require_whole


@dataclass(frozen=True)
class Item:
    """One sequence: ``frame_files`` name its frames' files below the images' folder, frame 1 first."""

    split: str
    sequence: Sequence
    frame_files: tuple[str, ...]

    @property
    def info(self) -> SequenceInfo:
        """What its seqinfo.ini says."""
        return self.sequence.info

    @cached_property
    def gt(self) -> np.ndarray:
        """Its rows, (N, 9) as `annotations.parse_gt` has them, by frame."""
        gt = self.sequence.gt()
        return gt[np.argsort(gt[:, FRAME], kind="stable")]

    def by_frame(self) -> Iterator[tuple[int, np.ndarray]]:
        """Every frame's number (from 1) and its rows, (N, 9)."""
        bounds = np.searchsorted(self.gt[:, FRAME], np.arange(1, self.info.length + 2))
        for frame in range(1, self.info.length + 1):
            yield frame, self.gt[bounds[frame - 1] : bounds[frame]]

    def write_frames(self, folder: Path) -> None:
        """Write the frames, as they are encoded, to their files below ``folder``."""
        for frame, file in enumerate(self.frame_files, 1):
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.sequence.encoded(frame))


@dataclass(frozen=True)
class Material:
    """A source: its name, the names of its class numbers, and (sequence, split) and sha256 of its archives."""

    name: str
    labels: dict[int, str]
    names: tuple[tuple[str, str], ...]
    hashes: dict[str, str]
    folder: Path
    stills: bool

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have a sequence."""
        present = {split for _, split in self.names}
        return tuple(split for split in ("train", "val", "test") if split in present)

    def items(self, split: str | None = None) -> Iterator[Item]:
        """The sequences of ``split``, or all, by name; each is open until the next one is asked for.

        Where all sequences have length one, frames are files SPLIT/SEQUENCE.jpg, else SPLIT/SEQUENCE/000001.jpg.
        Raises `InputError` for an archive that is not the one that was downloaded: reading frames checks no CRC.
        """
        for name, place in self.names:
            if split in (None, place):
                with closing(Sequence(self.folder / f"{name}.zip")) as sequence:
                    require_whole(sequence.path, self.hashes[name], self.name)
                    yield Item(place, sequence, self._files(name, place, sequence.info))

    def _files(self, name: str, split: str, info: SequenceInfo) -> tuple[str, ...]:
        if self.stills:
            return (f"{split}/{name}{info.extension}",)
        return tuple(f"{split}/{name}/{frame:06d}{info.extension}" for frame in range(1, info.length + 1))

    @property
    def class_names(self) -> list[str]:
        """The classes' names, each once, by the smallest of their numbers."""
        return list(dict.fromkeys(self.labels[number] for number in sorted(self.labels)))


def read_material(source: str, root: Path = SOURCES) -> Material:
    """A source as `download@SOURCE` wrote it; raises `InputError`."""
    index, labels = read_index(source, root=root), read_labels(source, root)
    names = tuple(zip(index["sequence"], index["split"], strict=True))
    hashes = dict(zip(index["sequence"], index["sha256"], strict=True))
    return Material(source, labels, names, hashes, root / source, bool((index["frames"] == 1).all()))


def plain(value: float) -> float | int:
    """A number as gt.txt has it, ten digits; whole ones as int."""
    rounded = float(f"{value:.10g}")
    return int(rounded) if rounded.is_integer() else rounded
