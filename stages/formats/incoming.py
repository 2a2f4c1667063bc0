"""What every format's reader gives: the sequences of a source, as their annotations describe them.

A reader is a module of this package with one function, ``find(tree, source) -> Listing``. It reads annotations and no
frame, so that of a remote archive only what is taken has to travel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from stages.errors import InputError
from stages.formats.frames import Frames
from stages.params import FileSource
from stages.transport.tree import Tree

_SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"} | {
    "test": "test",
    "testing": "test",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Claim:
    """What the annotations say of the frames: ``fact`` is ``value``, written at ``where`` under ``key``."""

    where: str
    key: str
    value: str
    fact: Literal["count", "width", "height"]


@dataclass(frozen=True)
class Incoming:
    """A sequence whose frames are not read yet.

    ``gt`` is (N, 9) as `annotations.parse_gt` has it: frames count from 1 in the order of ``frames``, classes are the
    keys of `Listing.labels`. ``at`` gives a row's place for a message (file and line, or file and key); ``gt_file``
    is the file that they stand in. ``normalised``: boxes are in shares of the frame's width and height, not in pixels.
    A sequence of one frame may show no box: that is what a still image of an empty street is for. One that is not
    ``annotated``, of a benchmark whose makers keep its ground truth, has no rows and can only be tested.
    """

    name: str
    fps: float
    frames: Frames
    gt: np.ndarray
    at: Callable[[int], str]
    gt_file: str
    claims: tuple[Claim, ...] = ()
    normalised: bool = False
    annotated: bool = True


@dataclass(frozen=True)
class Entry:
    """A sequence that a source has: how to read its annotations, and its own split, if the source says one.

    ``group``: sequences of one group show the same people or frames, and belong into one split.
    """

    read: Callable[[], Incoming]
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """All sequences of a source by name, and the names of its class numbers, as the source calls them."""

    entries: dict[str, Entry]
    labels: dict[int, str]

    @property
    def splits(self) -> dict[str, str | None]:
        """Every sequence's own split."""
        return {name: entry.split for name, entry in self.entries.items()}

    @property
    def groups(self) -> dict[str, str | None]:
        """Every sequence's group."""
        return {name: entry.group for name, entry in self.entries.items()}


def find_sequences(tree: Tree, source: FileSource) -> Listing:
    """List ``tree`` by the reader of `sources.NAME.format`; raises `InputError`."""
    return import_module(f"stages.formats.{source.format}").find(tree, source)


def add_entry(entries: dict[str, Entry], name: str, entry: Entry, where: str) -> None:
    """Add one sequence; raises `InputError` for a name that is no file name, and for a second of one name."""
    add_entries(entries, [(name, entry, where)])


def add_entries(entries: dict[str, Entry], found: Iterable[tuple[str, Entry, str]]) -> None:
    """`add_entry` for many: still images come by the hundred thousand."""
    taken = {other.lower() for other in entries}
    for name, entry, where in found:
        if not _NAME.fullmatch(name):
            raise InputError(where, f"{name!r} is no name for a file", "use letters, digits, `.`, `_` and `-`")
        if name.lower() in taken:
            raise InputError(where, f"a second sequence named {name}", "rename one of the two")
        taken.add(name.lower())
        entries[name] = entry


def official_split(path: str) -> str | None:
    """The split that a source names in a folder of ``path``: train, val or test; None where it names none.

    DanceTrack numbers the parts of a split: `train1`, `train2`.
    """
    for part in reversed(path.lower().split("/")):
        if part.rstrip("0123456789") in _SPLIT_FOLDERS:
            return _SPLIT_FOLDERS[part.rstrip("0123456789")]
    return None


def own_split(tree: Tree, path: str) -> str | None:
    """`official_split` of a folder or file of ``tree``, its ending left out; else of the tree's own name."""
    return official_split(re.sub(r"\.\w+$", "", path)) or official_split(top_name(tree, path))


def top_name(tree: Tree, path: str) -> str:
    """The name of the folder or archive that ``path`` lies in, without an ending."""
    return PurePosixPath(tree.where(path).removesuffix(path).rstrip("/: ")).stem


def above(path: str, levels: int = 1) -> str:
    """The folder so many levels above ``path``; `""` is the tree's top."""
    return "/".join(path.split("/")[:-levels])


def json_of(tree: Tree, path: str) -> Any:
    """A JSON file of the tree; raises `InputError` naming the line."""
    try:
        return json.loads(text_of(tree, path))
    except json.JSONDecodeError as error:
        what = f"broken JSON ({error.msg.lower()}, column {error.colno})"
        raise InputError(f"{tree.where(path)}:{error.lineno}", what, "fetch the file again") from None
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        raise InputError(tree.where(path), "not JSON that can be read", "fetch the file again") from None


def text_of(tree: Tree, path: str) -> str:
    """A text file of the tree; raises `InputError`."""
    try:
        return tree.read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(tree.where(path), "not text", "fetch the file again") from None
