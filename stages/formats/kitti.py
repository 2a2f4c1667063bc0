"""KITTI tracking: `training/image_02/0000/000000.png`... and `training/label_02/0000.txt`.

A line is, parted by blanks: frame, track id, type, truncated, occluded, alpha, left, top, right, bottom, and seven
columns on the object in space; a result has a score behind them (readme of the devkit at cvlibs.net/datasets/kitti).
Frames count from 0 there and from 1 here. The devkit's evaluator takes right - left as the width, and so
is it here. `DontCare` is a class of its own, whose id is -1: a region in which nothing was annotated. `occluded` is a
code (partly, largely, unknown) that nobody gives a share for: visibility is 0 where it is unknown or the object is
truncated, which are the boxes that the devkit's evaluator does not ask for, and 1 elsewhere. The frame rate is 10.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

import numpy as np

from stages.errors import InputError
from stages.formats.frames import image_frames
from stages.formats.incoming import Entry, Incoming, Listing, above, add_entry, own_split
from stages.formats.table import Table, read_table
from stages.params import KittiSource
from stages.transport.tree import Tree, join

_LABELS, _IMAGES = "label_02", "image_02"
_FRAME, _TRACK, _TYPE, _TRUNCATED, _OCCLUDED, _BOX = 0, 1, 2, 3, 4, (6, 7, 8, 9)
_UNKNOWN = 3  # of `occluded`


def find(tree: Tree, source: KittiSource) -> Listing:
    """The sequences in ``tree``: every text file in a folder `label_02`; see `incoming`. Raises `InputError`."""
    entries: dict[str, Entry] = {}
    for path in tree.files():
        file = PurePosixPath(path)
        if file.parent.name == _LABELS and file.suffix == ".txt":
            entry = Entry(partial(_read, tree, path, source), own_split(tree, above(path, 2)))
            add_entry(entries, file.stem, entry, tree.where(path))
    if not entries:
        raise InputError(tree.shown, f"no sequence in it: no {_LABELS}/NAME.txt", "correct `path`")
    return Listing(entries, dict(source.known_labels))


def _read(tree: Tree, path: str, source: KittiSource) -> Incoming:
    name = PurePosixPath(path).stem
    table = read_table(tree, path, None, (17, 18))
    return Incoming(
        name=name,
        fps=source.fps,
        frames=image_frames(tree, join(above(path, 2), _IMAGES, name), first=0),
        gt=_gt(table, {name: number for number, name in source.known_labels.items()}),
        at=table.places,
        gt_file=table.file,
    )


def _gt(table: Table, numbers: dict[str, int]) -> np.ndarray:
    """(N, 9) as `annotations.parse_gt` has it."""
    for row, name in enumerate(table.column(_TYPE)):
        if name not in numbers:
            raise InputError(table.at(row), f"no such type {name[:40]!r}", f"KITTI's are {', '.join(numbers)}")
    values = table.numbers((_FRAME, _TRACK, *_BOX, _TRUNCATED, _OCCLUDED))
    table.refuse(values[:, 0] < 0, "frames count from 0", "correct it")
    one = np.ones(len(values))
    native = [numbers[name] for name in table.column(_TYPE)]
    size = values[:, 4:6] - values[:, 2:4]
    visible = (values[:, 6] <= 0) & (values[:, 7] < _UNKNOWN)
    return np.column_stack([values[:, 0] + 1, values[:, 1:4], size, one, native, visible])
