"""Reads a data set that a test has built, as `build_source` would: list, read, check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from stages.formats.groundtruth import Meaning, checked_gt
from stages.formats.incoming import Incoming, Listing, find_sequences
from stages.params import FileSource
from stages.transport.tree import FolderTree
from tests.footage import HEIGHT, WIDTH, picture
from tests.readers import as_folder_or_zip, source_of, tree_at


class _Folder(FolderTree):
    """A folder whose images must not be read while it is listed."""

    listing = True

    def open(self, path: str) -> BinaryIO:
        assert not self.listing or not path.endswith((".jpg", ".png")), f"{path} was read while listing"
        return super().open(path)


@dataclass(frozen=True)
class ReadSet:
    """A listing, and its sequences as they are read."""

    listing: Listing
    source: FileSource

    def __getitem__(self, name: str) -> Incoming:
        return self.listing.entries[name].read()

    def gt(self, name: str) -> np.ndarray:
        """The checked rows of a sequence; classes that the source does not map are dropped."""
        found = self[name]
        classes = dict.fromkeys(self.listing.labels.values(), "drop") | dict(self.source.classes)
        source = self.source.model_copy(update={"classes": classes})
        return checked_gt(found, Meaning("set", source, self.listing.labels, ("a", "b")), found.frames.size(1))

    @property
    def splits(self) -> dict[str, str | None]:
        """Every sequence's own split."""
        return {name: entry.split for name, entry in self.listing.entries.items()}


def read_set(folder: Path, format: str, packed: bool = False, **keys: object) -> ReadSet:
    """List the data set in ``folder``, or the ZIP of it; listing it must read no image."""
    source = source_of({"format": format, "classes": {"person": "a", "car": "b", "crowd": "region"}, **keys})
    tree = tree_at(as_folder_or_zip(folder, packed)) if packed else _Folder(folder, folder.name)
    found = find_sequences(tree, source)
    if not packed:
        tree.listing = False
    return ReadSet(found, source)


def write_images(folder: Path, *names: str, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Write a picture of its own for every name."""
    for number, name in enumerate(names, 1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number, width, height))
