"""VisDrone-MOT and VisDrone-DET, told apart by what lies beside their folder `annotations/`.

MOT: `sequences/NAME/0000001.jpg`... and `annotations/NAME.txt` with lines of frame (from 1), target id, left, top,
width, height, score, category, truncation, occlusion. DET: `images/NAME.jpg` and `annotations/NAME.txt` with the same
lines without frame and id; every image is a sequence of length one, its boxes' ids are 1, 2, ... as they stand there.
(The README of VisDrone/VisDrone2018-MOT-toolkit defines the columns.) The score, 1 or 0, is kept as confidence: 0 is
what the evaluation leaves out, that is the categories `ignored regions`, which is a class of its own, and `others`.
The split is the one that `VisDrone2019-MOT-train` and its like name.

Occlusion is a code for a share of the object (0: none, 1: 1 to 50%, 2: 50 to 100%): visibility is 1 less its middle.
The published files hold a few boxes without width or height: they are left out with a warning that names the lines.
VisDrone states no frame rate: MOT needs `fps` in params.yaml; DET has 1 where params.yaml gives none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from stages.errors import InputError
from stages.formats.frames import IMAGES, ImageFrames, has_suffix, image_frames
from stages.formats.incoming import Entry, Incoming, Listing, above, add_entries, own_split
from stages.formats.table import Table, read_table
from stages.params import VisDroneSource
from stages.transport.tree import Tree, join

_VISIBILITY = {0: 1.0, 1: 0.75, 2: 0.25}
_MISSING = "correct `path`, or put the frames there"
_SPLIT = re.compile(r"VisDrone\d*-(?:MOT|DET|VID)-(train|val|test)", re.IGNORECASE)


def find(tree: Tree, source: VisDroneSource) -> Listing:
    """The sequences in ``tree``: every text file in a folder `annotations`; see `incoming`. Raises `InputError`."""
    entries: dict[str, Entry] = {}
    add_entries(entries, _found(tree, source))
    if not entries:
        raise InputError(tree.shown, "no sequence in it: no annotations/NAME.txt", "correct `path`")
    return Listing(entries, dict(source.known_labels))


def _found(tree: Tree, source: VisDroneSource) -> Iterator[tuple[str, Entry, str]]:
    """Name, entry and place of every sequence."""
    sequences, images = _frames_of(tree)
    for path in tree.files():
        file, top = PurePosixPath(path), above(path, 2)
        if file.parent.name != "annotations" or file.suffix != ".txt":
            continue
        if top in sequences:
            read = partial(_read_sequence, tree, path, source)
        elif top in images:
            read = partial(_read_image, tree, path, images[top].get(file.stem), source)
        else:
            raise InputError(tree.where(path), "no images in sequences/ or images/ beside annotations/", _MISSING)
        yield file.stem, Entry(read, _split(tree, top)), tree.where(path)


def _frames_of(tree: Tree) -> tuple[set[str], dict[str, dict[str, str]]]:
    """The folders that hold `sequences/NAME/`, and those that hold `images/`: there, images by name."""
    sequences: set[str] = set()
    images: dict[str, dict[str, str]] = {}
    for path in tree.files():
        if not has_suffix(path.rpartition("/")[2], IMAGES):
            continue
        parts = path.split("/")
        if parts[-3:-2] == ["sequences"]:
            sequences.add(above(path, 3))
        elif parts[-2:-1] == ["images"]:
            images.setdefault(above(path, 2), {})[PurePosixPath(path).stem] = path
    return sequences, images


def _split(tree: Tree, top: str) -> str | None:
    named = _SPLIT.findall(tree.where(top))
    return named[-1].lower() if named else own_split(tree, top)


def _read_sequence(tree: Tree, path: str, source: VisDroneSource) -> Incoming:
    if source.fps is None:
        raise InputError(tree.where(path), "VisDrone states no frame rate", "set the source's `fps` in params.yaml")
    table, name = _with_size(read_table(tree, path, ",", (10,)), 4), PurePosixPath(path).stem
    values = table.numbers(range(10))
    return Incoming(
        name=name,
        fps=source.fps,
        frames=image_frames(tree, join(above(path, 2), "sequences", name)),
        gt=_gt(table, values[:, :2], values[:, 2:], source),
        at=table.places,
        gt_file=table.file,
    )


def _read_image(tree: Tree, path: str, image: str | None, source: VisDroneSource) -> Incoming:
    if image is None:
        raise InputError(tree.where(path), "no image of that name in images/", "put it there, or delete the file")
    table = _with_size(read_table(tree, path, ",", (8,)), 2)
    frame_and_id = np.array([(1, number) for number, _ in enumerate(table.lines, 1)], dtype=np.float64).reshape(-1, 2)
    return Incoming(
        name=PurePosixPath(path).stem,
        fps=source.fps or 1.0,
        frames=ImageFrames(tree, [image]),
        gt=_gt(table, frame_and_id, table.numbers(range(8)), source),
        at=table.places,
        gt_file=table.file,
    )


def _with_size(table: Table, width: int) -> Table:
    """The rows whose boxes have a width and a height; others are said on stderr."""
    flat = (table.numbers((width, width + 1)) == 0).any(axis=1)
    if flat.any():
        lines = ", ".join(str(table.lines[row]) for row in np.flatnonzero(flat))
        print(f"warning: {table.file}: boxes without width or height left out, at line {lines}", file=sys.stderr)
    return table.only(~flat)


def _gt(table: Table, frame_and_id: np.ndarray, values: np.ndarray, source: VisDroneSource) -> np.ndarray:
    """(N, 9) as `annotations.parse_gt` has it; ``values`` is (N, 8): the columns that MOT and DET share."""
    category, occlusion = values[:, 5], values[:, 7]
    table.refuse(~np.isin(category, list(source.known_labels)), "no such category", "VisDrone's are 0 to 11")
    return np.column_stack([frame_and_id, values[:, :6], [_VISIBILITY.get(code, 1.0) for code in occlusion]])
