"""Examines a source as params.yaml names it, without the pipeline: every frame decoded, every rule tried on every row.

Reads what `download` would read, by the same readers and rules, and goes on where that would stop. It writes nothing
but the transport's cache of what is remote.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.formats.frames import DamagedImage, Frames, in_order
from stages.formats.groundtruth import Meaning, find_faults, find_lies, in_pixels
from stages.formats.incoming import Incoming, Listing, find_sequences
from stages.inspecting.findings import MOST, Finding, Report, Row, single
from stages.inspecting.tracks import find_gaps, find_jumps
from stages.params import FileSource, Params, WorldSource, where
from stages.sequences.annotations import DROP, FRAME
from stages.sources.intake import taken_frames, taken_rows
from stages.sources.splits import Piece, pieces_of
from stages.transport.open import open_tree

Cut = tuple[Piece, range]
Tick = Callable[[int], object]
Key = tuple[int, int]  # CRC-32 and size of a frame's file


@dataclass(frozen=True)
class Taken:
    """A sequence whose annotations are read, and the frames that are taken of it, piece by piece."""

    incoming: Incoming
    cuts: tuple[Cut, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """The frames of all pieces, in order."""
        return sorted({number for _, numbers in self.cuts for number in numbers})


def inspect_source(name: str, params: Params) -> Report:
    """Examine ``sources.NAME``; raises `InputError` where it cannot even be opened or listed."""
    source = params.sources[name]
    if isinstance(source, WorldSource):
        return _inspect_world(name, source, params.classes)
    tree = open_tree(source)
    listing = find_sequences(tree, source)
    meaning = Meaning(name, source, listing.labels, params.classes)
    pieces, findings = _pieces(name, source, listing)
    findings += [single("source", error) for error in meaning.unknown_classes()]
    read = [_read(sequence, listing, pieces[sequence], meaning) for sequence in pieces]
    taken = [item for item in read if isinstance(item, Taken)]
    tree.fetch(path for item in taken for _, numbers in item.cuts for path in item.incoming.frames.paths(numbers))
    rows, seen = [], Seen(name)
    with _progress(sum(len(item.numbers) for item in taken)) as tick:
        for item in read:
            rows.append(examine(item, meaning, seen, tick) if isinstance(item, Taken) else item)
    tree.close()
    return Report(tuple(rows), (*findings, *seen.findings()))


def _inspect_world(name: str, source: WorldSource, classes: tuple[str, ...]) -> Report:
    """The embedded world is rendered, and held to the same rules."""
    from stages.world import world_sequences

    meaning, rows, seen = Meaning(name, source, source.known_labels, classes), [], Seen(name)
    sequences = world_sequences(source)
    with _progress(len(sequences) * source.frames) as tick:
        for item in sequences:
            frames, gt = item.render()
            size = (source.width, source.height)
            incoming = Incoming(item.name, item.info.fps, Rendered(frames, size), gt, _row_of(item.name), item.name)
            cut = (Piece(item.name, item.name, item.split), range(1, len(frames) + 1))
            rows.append(examine(Taken(incoming, (cut,)), meaning, seen, tick))
    return Report(tuple(rows), tuple(seen.findings()))


def _row_of(name: str) -> Callable[[int], str]:
    return lambda row: f"{name}: box {row + 1}"


class Rendered(Frames):
    """Frames that are at hand as image files."""

    extension = ".jpg"

    def __init__(self, frames: list[bytes], size: tuple[int, int]):
        self._frames, self._size = frames, size

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._frames)

    def paths(self, numbers: range) -> list[str]:
        """None, see `Frames`."""
        return []

    def size(self, number: int) -> tuple[int, int]:
        """Width and height, see `Frames`."""
        return self._size

    def encoded(self, numbers: range) -> Iterator[bytes]:
        """The files, see `Frames`."""
        return (self._frames[number - 1] for number in numbers)


# --- what is taken


def _pieces(name: str, source: FileSource, listing: Listing) -> tuple[dict[str, list[Piece]], list[Finding]]:
    """The pieces of every sequence that is taken; where the params contradict the data, every sequence as one piece."""
    try:
        pieces, findings = pieces_of(name, source, listing.splits, listing.groups), []
    except InputError as error:
        pieces = [Piece(sequence, sequence, split or "?") for sequence, split in listing.splits.items()]
        findings = [single("source", error)]
    by_sequence: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_sequence.setdefault(piece.sequence, []).append(piece)
    return by_sequence, findings


def _read(sequence: str, listing: Listing, pieces: list[Piece], meaning: Meaning) -> Taken | Row:
    """Read a sequence's annotations and choose its frames; a row with a finding where that fails."""
    cuts, findings = [], []
    try:
        incoming = listing.entries[sequence].read()
        _ = incoming.frames.count  # a video is decoded for it
    except InputError as error:
        return Row(sequence, _splits(pieces), findings=(single("sequence", error),))
    for piece in pieces:
        try:
            cuts.append((piece, taken_frames(incoming, piece, meaning)))
        except InputError as error:
            findings.append(single("source", error))
    return Taken(incoming, tuple(cuts), tuple(findings))


def _splits(pieces: list[Piece]) -> str:
    return "+".join(dict.fromkeys(piece.split for piece in pieces))


# --- one sequence


def examine(taken: Taken, meaning: Meaning, seen: Seen, tick: Tick) -> Row:
    """Decode the frames that are taken of a sequence, and try every rule on all of its boxes."""
    incoming, numbers = taken.incoming, taken.numbers
    size = _size(incoming.frames, numbers)
    findings = [*taken.findings, *_decode(taken, size, seen, tick)]
    boxes = int(np.isin(incoming.gt[:, FRAME], numbers).sum())
    if size is not None:
        findings += _annotations(taken, meaning, size)
    split = _splits([piece for piece, _ in taken.cuts]) or "?"
    return Row(incoming.name, split, len(numbers), incoming.fps, boxes, tuple(findings))


def _size(frames: Frames, numbers: list[int]) -> tuple[int, int] | None:
    """Width and height of the first frame that can be read, in pixels; None if there is none."""
    for number in numbers:
        try:
            return frames.size(number)
        except InputError:
            continue
    return None


def _decode(taken: Taken, size: tuple[int, int] | None, seen: Seen, tick: Tick) -> Iterator[Finding]:
    """The frames that cannot be decoded; the others are noted in ``seen``."""

    def decode(number: int) -> Key | InputError | None:
        try:
            content = taken.incoming.frames.decode(number, size or (0, 0))
        except InputError as error:
            return error
        return (zlib.crc32(content), len(content)) if content else None

    split_of = {number: piece.split for piece, numbers in taken.cuts for number in numbers}
    errors: dict[str, list[InputError]] = {"frame": [], "damaged": []}
    for number, result in zip(taken.numbers, in_order(decode, taken.numbers), strict=True):
        tick(1)
        if isinstance(result, InputError):
            errors["damaged" if isinstance(result, DamagedImage) else "frame"].append(result)
        elif result is not None:
            seen.note(result, split_of[number], taken.incoming.name)
    yield from (Finding(kind, len(found), tuple(found[:MOST])) for kind, found in errors.items() if found)


def _annotations(taken: Taken, meaning: Meaning, size: tuple[int, int]) -> Iterator[Finding]:
    """What is wrong with a sequence's boxes: all of them, not only those in frames that are taken, as in `download`."""
    incoming = taken.incoming
    gt = in_pixels(incoming, size)
    good = gt[:, FRAME] <= incoming.frames.count
    for fault in find_faults(incoming, gt, meaning, size):
        yield Finding(fault.kind, max(1, len(fault.rows)), tuple(fault.errors(incoming, MOST)))
        good[fault.rows] = False
    for piece, numbers in taken.cuts:
        try:
            taken_rows(incoming, gt, piece, numbers)
        except InputError as error:
            yield single("empty", error)
    use = np.full(len(gt), DROP)
    use[good] = meaning.purposes(gt[good])
    yield from filter(None, (find_jumps(incoming, gt, use), find_gaps(incoming, gt, use)))
    place, *lies = find_lies(incoming, size) or [""]
    if lies:
        errors = [InputError(place, lie, "nothing to do: `download` believes the frames") for lie in lies]
        yield Finding("lie", len(lies), tuple(errors[:MOST]))


# --- all sequences


class Seen:
    """The frames' files that were seen, by content, to find those that stand in two splits."""

    def __init__(self, source: str):
        self._source = source
        self._first: dict[Key, tuple[str, str]] = {}  # split and sequence
        self._pairs: dict[tuple[str, ...], int] = {}

    def note(self, key: Key, split: str, sequence: str) -> None:
        """Note one frame."""
        other_split, other = self._first.setdefault(key, (split, sequence))
        if other_split != split:
            pair = (f"`{other}` ({other_split})", f"`{sequence}` ({split})")
            self._pairs[pair] = self._pairs.get(pair, 0) + 1

    def findings(self) -> Iterator[Finding]:
        """A finding for every two sequences of different splits that share frames."""
        remedy = "leave one out (`take.sequences`), or list both in one split"
        for pair, count in self._pairs.items():
            what = f"{' and '.join(pair)} hold {count} same frame{'s' * (count > 1)}"
            yield Finding("same", count, (InputError(where("sources", self._source, "splits"), what, remedy),))


@contextmanager
def _progress(frames: int) -> Iterator[Tick]:
    """A bar on a terminal's stderr, once it takes over a second."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=frames, desc="decoding", unit=" frames", delay=1.0, leave=False, file=sys.stderr) as bar:
        yield bar.update
