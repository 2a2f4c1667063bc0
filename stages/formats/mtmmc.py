"""MTMMC (CVPR 2024): many cameras a scene, `train/train/s01/c01/rgb/000000.jpg`... and `.../c01/gt/gt.txt`.

A line of gt.txt is `0000,063,971.20,135.70,21.3,79.1`: frame (from 0, as the images are numbered), identity, left,
top, width, height; everybody is a person. A camera becomes a sequence named `s01-c01`. An identity is the same number
in every camera of its scene, as the source has it; two scenes have nothing to do with each other. Cameras of one scene
see the same people at the same time, so a scene goes into one split as a whole.
The cameras ran at 23 frames a second.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from stages.errors import InputError
from stages.formats.frames import image_frames
from stages.formats.incoming import Entry, Incoming, Listing, above, add_entry, own_split, top_name
from stages.formats.table import read_table
from stages.params import MtmmcSource
from stages.transport.tree import Tree, join

_GT, _IMAGES = "gt/gt.txt", "rgb"


def find(tree: Tree, source: MtmmcSource) -> Listing:
    """The sequences in ``tree``: every SCENE/CAMERA that holds `gt/gt.txt`; see `incoming`. Raises `InputError`."""
    entries: dict[str, Entry] = {}
    for path in tree.files():
        if path.endswith(f"/{_GT}"):
            folder = above(path, 2)
            name = _name(tree, folder)
            scene = name.rpartition("-")[0]
            entry = Entry(partial(_read, tree, name, folder, source), own_split(tree, folder), scene)
            add_entry(entries, name, entry, tree.where(folder))
    if not entries:
        raise InputError(tree.shown, f"no sequence in it: no SCENE/CAMERA/{_GT}", "correct `path`")
    return Listing(entries, dict(source.known_labels))


def _name(tree: Tree, folder: str) -> str:
    """SCENE-CAMERA: the last two folders; where ``tree`` is one scene, its own name is the scene's."""
    scene, camera = [top_name(tree, folder), *folder.split("/")][-2:]
    return f"{scene}-{camera}"


def _read(tree: Tree, name: str, folder: str, source: MtmmcSource) -> Incoming:
    table = read_table(tree, join(folder, _GT), ",", (6,))
    values = table.numbers(range(6))
    table.refuse(values[:, 0] < 0, "frames count from 0", "correct it")
    one = np.ones(len(values))
    return Incoming(
        name=name,
        fps=source.fps,
        frames=image_frames(tree, join(folder, _IMAGES), first=0),
        gt=np.column_stack([values[:, 0] + 1, values[:, 1:], one, one, one]),
        at=table.places,
        gt_file=table.file,
    )
