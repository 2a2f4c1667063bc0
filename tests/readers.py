"""What the tests of every format's reader share: a source's block, its tree, and all that is read out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from stages.errors import InputError
from stages.formats.groundtruth import Meaning, checked_gt
from stages.formats.incoming import Incoming, Listing, find_sequences
from stages.params import FileSource, Source, load_params
from stages.sources import intake
from stages.transport.tree import FolderTree, Tree
from stages.transport.zips import ZipTree
from tests.footage import Project, pack, picture

TOWN = {  # maps both classes, for params of sources that have one only
    "format": "world",
    "view": "street",
    "sequences": {"train": 1},
    "frames": 2,
    "classes": {"person": "person", "car": "car", "hidden": "drop"},
}


def source_of(block: dict) -> FileSource:
    """The block as params.yaml would give it."""
    return TypeAdapter(Source).validate_python({"path": "in", **block}, strict=False)


def tree_at(path: Path, shown: str = "") -> Tree:
    """A folder, or a ZIP."""
    return FolderTree(path, shown or path.name) if path.is_dir() else ZipTree(path, shown or path.name)


def listing(path: Path, block: dict) -> Listing:
    """What the block's reader lists at ``path``."""
    return find_sequences(tree_at(path), source_of(block))


def as_folder_or_zip(folder: Path, packed: bool) -> Path:
    """``folder``, or a ZIP of it beside it."""
    return pack(folder, folder.with_suffix(".zip")) if packed else folder


def write_pictures(folder: Path, names: list[str], first: int = 1) -> None:
    """Pictures of 64x48 pixels, the ``first``-th and those that follow it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, start=first):
        (folder / name).write_bytes(picture(number))


def rows(gt: np.ndarray) -> list[tuple[float, ...]]:
    """The rows of a (N, 9) array, sizes rounded to a millionth of a pixel."""
    return [tuple(row) for row in np.round(gt, 6).tolist()]


def checked(found: Incoming, block: dict, labels: dict[int, str]) -> np.ndarray:
    """The checked rows of a sequence."""
    meaning = Meaning("footage", source_of(block), labels, ("person", "car"))
    return checked_gt(found, meaning, found.frames.size(1))


def complaint(path: Path, block: dict) -> InputError:
    """The error of reading, checking and copying everything at ``path``; one line."""
    try:
        found = listing(path, block)
        for entry in found.entries.values():
            incoming = entry.read()
            checked(incoming, block, found.labels)
            list(incoming.frames.encoded(range(1, incoming.frames.count + 1)))
    except InputError as error:
        assert "\n" not in str(error)
        return error
    raise AssertionError("nothing to complain about")


def build(project: Project, **source: object) -> list[str]:
    """Build the source as `download` does; the lines of index.csv below the heading, without their sha256."""
    project.write_params(footage={"path": "in", **source}, town=TOWN)
    intake.build_source("footage", load_params())
    return project.index()[1:]
