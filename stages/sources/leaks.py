"""Frames that stand in two splits: the same content is an error, what looks nearly the same is a warning.

The same content is found without reading a frame: an archive's directory holds every member's CRC-32 and size, and
only where both agree the bytes are compared. Near-copies are found by a hash of what frames look like.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.errors import InputError
from stages.params import SPLITS, where
from stages.sequences.archive import Sequence
from stages.sequences.index import SOURCES
from stages.sources.looks import alike, looks_of

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # pairs of sequences that a warning names


@dataclass(frozen=True)
class Held:
    """Frames of one archive: their numbers (N,), and ``keys`` (N,) uint64 of CRC-32 and size."""

    source: str
    sequence: str
    split: str
    path: Path
    numbers: np.ndarray
    keys: np.ndarray

    def bytes_of(self, number: int) -> bytes:
        """One frame's file."""
        archive = Sequence(self.path)
        try:
            return archive.encoded(number)
        finally:
            archive.close()


@dataclass(frozen=True)
class Shared:
    """Frame ``number`` of ``one`` is the same file as frame ``other_number`` of ``other``; ``count`` such frames."""

    one: Held
    number: int
    other: Held
    other_number: int
    count: int


def refuse_leaks(source: str, folder: Path, rows: Iterable[Mapping]) -> None:
    """Raise `InputError` for a frame of ``folder`` that stands in two splits; ``rows`` are those of index.csv.

    MOT17, for one, holds every sequence three times, once per detector.
    """
    held = [_held(folder, source, row["sequence"], row["split"]) for row in _by_name(rows)]
    for left, right in combinations(SPLITS, 2):
        shared = find_shared([h for h in held if h.split == left], [h for h in held if h.split == right])
        if shared:
            remedy = "leave one out (`take.sequences`), list both in one split, or move the ranges' bounds"
            raise InputError(where("sources", source, "splits"), _said(shared), remedy)


def refuse_trained_on(
    stage: str,
    trained: Mapping[tuple[str, str], Iterable[int]],
    indexes: Mapping[str, pd.DataFrame],
    root: Path = SOURCES,
) -> None:
    """Raise `InputError` where a frame that ``stage`` trains on is held out for validation or test by any source.

    ``trained`` gives the frames by source and sequence, ``indexes`` every source's index.csv.
    """
    training = [
        _held(root / source, source, sequence, "train", frames) for (source, sequence), frames in trained.items()
    ]
    held_out = [
        _held(root / source, source, row.sequence, row.split)
        for source, index in indexes.items()
        for row in index[index["split"] != "train"].itertuples()
    ]
    shared = find_shared(training, held_out)
    if shared:
        remedy = "leave one of the two out of its source (`take.sequences`), or give both one split"
        raise InputError(where(stage, "mixture", "sources"), _said(shared), remedy)


def find_shared(left: list[Held], right: list[Held]) -> Shared | None:
    """The first frame of ``right`` that ``left`` holds too, byte for byte; None where there is none."""
    if not left or not right:
        return None
    keys = np.concatenate([held.keys for held in left])
    order = np.argsort(keys, kind="stable")
    owners = np.repeat(np.arange(len(left)), [len(held.keys) for held in left])[order]
    numbers, keys = np.concatenate([held.numbers for held in left])[order], keys[order]
    for other in right:
        for place in np.flatnonzero(np.isin(other.keys, keys)):
            key, number = other.keys[place], int(other.numbers[place])
            content = other.bytes_of(number)
            for match in range(np.searchsorted(keys, key, "left"), np.searchsorted(keys, key, "right")):
                one, one_number = left[owners[match]], int(numbers[match])
                if one.bytes_of(one_number) == content:
                    return Shared(one, one_number, other, number, int(np.isin(other.keys, one.keys).sum()))
    return None


def _held(folder: Path, source: str, sequence: str, split: str, frames: Iterable[int] | None = None) -> Held:
    """The frames of one archive, or those of them that ``frames`` names."""
    path = folder / f"{sequence}.zip"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if item.filename.startswith("img1/")]
    except (FileNotFoundError, zipfile.BadZipFile):
        raise InputError(str(path), "no such archive, or a damaged one", f"run `dvc repro download@{source}`") from None
    numbers = np.array([int(item.filename[5:].partition(".")[0]) for item in members], np.int64)
    keys = np.array([item.CRC << 32 | item.file_size & 0xFFFFFFFF for item in members], np.uint64)
    kept = slice(None) if frames is None else np.isin(numbers, list(frames))
    return Held(source, sequence, split, path, numbers[kept], keys[kept])


def _said(shared: Shared) -> str:
    pair = sorted(((shared.one, shared.number), (shared.other, shared.other_number)), key=lambda item: item[0].sequence)
    names = " and ".join(f"`{_name(held, shared)}` ({held.split})" for held, _ in pair)
    first = " and ".join(str(number) for _, number in pair)
    return f"{names} hold the same frames ({shared.count}, the first are {first})"


def _name(held: Held, shared: Shared) -> str:
    return held.sequence if shared.one.source == shared.other.source else f"{held.source}/{held.sequence}"


def warn_of_near_copies(source: str, folder: Path, rows: Iterable[Mapping]) -> None:
    """Say on stderr, in one line, how many test frames look like a training frame, by pair of sequences.

    Frames are sampled (see `looks`). A fixed camera has many; so have neighbouring ranges of one sequence.
    """
    rows = _by_name(rows)
    train, test = ([row["sequence"] for row in rows if row["split"] == split] for split in ("train", "test"))
    if not train or not test:
        return
    looks = looks_of([folder / f"{name}.zip" for name in (*train, *test)])
    known, owners = np.concatenate(looks[: len(train)]), np.repeat(train, [len(h) for h in looks[: len(train)]])
    near, pairs = 0, []
    for name, hashes in zip(test, looks[len(train) :], strict=True):
        matches = alike(hashes, known)
        near += int(matches.any(axis=1).sum())
        for other in np.unique(owners[matches.any(axis=0)]):
            pairs.append((int(matches[:, owners == other].any(axis=1).sum()), len(hashes), name, str(other)))
    if pairs:
        total = sum(len(hashes) for hashes in looks[len(train) :])
        _print_pairs(source, sorted(pairs, key=lambda pair: (-pair[0], pair[2:])), near, total)


def _print_pairs(source: str, pairs: list[tuple[int, int, str, str]], near: int, total: int) -> None:
    shown = ", ".join(f"`{test}` like `{train}` {count} of {of}" for count, of, test, train in pairs[:_SHOWN])
    more = f", and {len(pairs) - _SHOWN} more pairs" if len(pairs) > _SHOWN else ""
    what = f"{near} of {total} sampled test frames look like a training frame ({shown}{more})"
    remedy = "test scores flatter: split by place or camera if they should not"
    print(f"warning: {where('sources', source)}: {what}: {remedy}", file=sys.stderr)


def _by_name(rows: Iterable[Mapping]) -> list[Mapping]:
    return sorted(rows, key=lambda row: row["sequence"])
