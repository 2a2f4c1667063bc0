"""Which split a sequence belongs to: locked by its name, by lists, or by named frame ranges.

Where splits are shares, a sequence's place is a hash of its source's and its own name, and of nothing else: no seed,
no budget, no added source or sequence moves it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.errors import InputError
from stages.params import SPLITS, FileSource, where


@dataclass(frozen=True)
class Piece:
    """What becomes one archive: a sequence's frames first to last (from 1, both included; None: to its end)."""

    name: str
    sequence: str
    split: str
    first: int = 1
    last: int | None = None


def position(source: str, sequence: str) -> float:
    """A number in [0, 1) that only the two names decide: the first 53 bits of their SHA-256."""
    digest = hashlib.sha256(f"{source}/{sequence}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def split_by_share(source: str, sequence: str, shares: Mapping[str, float]) -> str:
    """The split whose stretch of [0, 1) holds the sequence's position: train's share first, then val's, test's."""
    place, reached = position(source, sequence), 0.0
    present = [split for split in SPLITS if shares.get(split, 0) > 0]
    for split in present:
        reached += shares[split]
        if place < reached:
            return split
    return present[-1]  # shares that sum to 1 less a rounding error


def pieces_of(
    name: str, source: FileSource, found: Mapping[str, str | None], groups: Mapping[str, str | None] | None = None
) -> list[Piece]:
    """The pieces that `sources.NAME` takes from the sequences ``found``; raises `InputError` naming the key.

    ``found`` gives each sequence's own split, if the source has one; ``groups`` names those that shares keep together,
    as if they were one sequence of the group's name. `take.sequences` chooses sequences first; those
    with `ranges` are cut, the others follow `splits`, or their own split where params.yaml gives none.
    """
    _check_names(name, source, sorted(found))
    kept_together = {sequence: (groups or {}).get(sequence) or sequence for sequence in found}
    pieces = [
        piece
        for sequence in _taken(name, source, found)
        for piece in _cut(name, source, sequence, found[sequence], kept_together[sequence])
    ]
    _check_unique(name, pieces)
    _check_filled(name, source, pieces)
    return pieces


def _taken(name: str, source: FileSource, found: Iterable[str]) -> list[str]:
    """The sequences that `take.sequences` chooses, by name."""
    chosen, found = source.take.sequences, sorted(found)
    if chosen is None:
        return found
    if isinstance(chosen, tuple):
        return [sequence for sequence in found if sequence in chosen]
    if chosen > len(found):
        remedy = f"ask for at most {len(found)}"
        raise InputError(where("sources", name, "take", "sequences"), f"there are only {len(found)} sequences", remedy)
    # Not by `position`, whose first part is all train.
    return sorted(sorted(found, key=lambda sequence: position(f"take/{name}", sequence))[:chosen])


def _check_names(name: str, source: FileSource, found: Sequence[str]) -> None:
    """Every sequence that a key names is there."""
    named = [(("take", "sequences"), item) for item in _named(source)]
    named += [(("splits", split), item) for split, items in _lists(source).items() for item in items]
    named += [(("ranges", item), item) for item in source.ranges]
    for key, item in named:
        if item not in found:
            remedy = f"there are {', '.join(found[:20])}{', ...' if len(found) > 20 else ''}"
            raise InputError(where("sources", name, *key), f"no sequence `{item}` in {', '.join(source.paths)}", remedy)


def _named(source: FileSource) -> tuple[str, ...]:
    return source.take.sequences if isinstance(source.take.sequences, tuple) else ()


def _lists(source: FileSource) -> dict[str, tuple[str, ...]]:
    return {split: value for split, value in (source.splits or {}).items() if isinstance(value, tuple)}


def _cut(name: str, source: FileSource, sequence: str, own: str | None, group: str) -> list[Piece]:
    listed = [split for split, items in _lists(source).items() if sequence in items]
    if sequence in source.ranges:
        if listed:
            what = f"`{sequence}` stands in a list and is cut into ranges"
            raise InputError(where("sources", name, "splits", listed[0]), what, "take it out of one of the two")
        return [
            Piece(f"{sequence}-{part}", sequence, piece.split, *piece.frames)
            for part, piece in source.ranges[sequence].items()
        ]
    if listed:
        return [Piece(sequence, sequence, listed[0])]
    if source.splits is None and own is not None:
        return [Piece(sequence, sequence, own)]
    if _lists(source) or source.splits is None:
        remedy = "add it to a list of `splits` or to `ranges`, or leave it out with `take.sequences`"
        raise InputError(where("sources", name, "splits"), f"`{sequence}` is in no split", remedy)
    return [Piece(sequence, sequence, split_by_share(name, group, source.splits))]


def _check_unique(name: str, pieces: list[Piece]) -> None:
    times = Counter(piece.name for piece in pieces)
    for piece in pieces:
        if times[piece.name] > 1:
            raise InputError(
                where("sources", name, "ranges"), f"two sequences would be named `{piece.name}`", "rename the range"
            )


def _check_filled(name: str, source: FileSource, pieces: list[Piece]) -> None:
    """No split that has a share or a list stays empty."""
    filled = {piece.split for piece in pieces}
    for split, value in (source.splits or {}).items():
        if value and split not in filled:
            count = len({piece.sequence for piece in pieces})
            what = f"the split stays empty: none of {count} sequences taken falls into it"
            remedy = "name its sequences in a list, cut one into `ranges`, take more, or take the split out"
            raise InputError(where("sources", name, "splits", split), what, remedy)
