"""A folder or a ZIP as a tree of files that is read where it lies; a ZIP is hostile until it has been checked."""

from __future__ import annotations

import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stages.errors import InputError
from stages.sequences.fetch import is_safe

GT = "gt/gt.txt"  # a folder that holds this file is a sequence

# Frames hardly compress and text does so tenfold; deflate reaches a thousandfold only with made-up content.
_RATIO = 20
_FREE = 64 << 20  # bytes that a ZIP may always hold

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


class Tree(ABC):
    """Files by their path from the tree's top, with `/` between the parts; `""` is the top itself."""

    def __init__(self, shown: str):
        self.shown = shown

    @abstractmethod
    def sequences(self) -> list[str]:
        """The folders that hold `gt/gt.txt`, at any depth, sorted."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files in ``folder``, sorted; none if there is no such folder."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """A file's content; raises `InputError`."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A file, open for reading at random; raises `InputError`."""

    def where(self, path: str) -> str:
        """A file's place for a message."""
        return f"{self.shown.rstrip('/')}/{path}"


def open_tree(path: Path, shown: str) -> Tree:
    """The tree at ``path``, which messages call ``shown``; raises `InputError`."""
    return FolderTree(path, shown) if path.is_dir() else ZipTree(path, shown)


def join(*parts: str) -> str:
    """Parts of a path in a tree, put together."""
    return "/".join(part for part in parts if part)


class FolderTree(Tree):
    """A folder on disk. Links are followed: who made the folder may link."""

    def __init__(self, path: Path, shown: str):
        super().__init__(shown)
        self._top = path

    def sequences(self) -> list[str]:
        """Sequence folders, see `Tree`."""
        return sorted(self._find(self._top, ""))

    def _find(self, folder: Path, path: str, above: tuple[Path, ...] = ()) -> list[str]:
        if (folder / GT).is_file():
            return [path]
        real = folder.resolve()
        if real in above:  # a link to a folder around it
            return []
        inner = [item for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")]
        return [found for item in inner for found in self._find(item, join(path, item.name), (*above, real))]

    def names(self, folder: str) -> list[str]:
        """File names, see `Tree`."""
        place = self._top / folder
        return sorted(item.name for item in place.iterdir() if item.is_file()) if place.is_dir() else []

    def read(self, path: str) -> bytes:
        """Content, see `Tree`."""
        with self.open(path) as file:
            return file.read()

    def open(self, path: str) -> BinaryIO:
        """An open file, see `Tree`."""
        try:
            return (self._top / path).open("rb")
        except (FileNotFoundError, IsADirectoryError):
            raise InputError(self.where(path), "no such file", "put it there, or leave the sequence out") from None


class ZipTree(Tree):
    """A ZIP, read without unpacking it."""

    def __init__(self, path: Path, shown: str):
        super().__init__(shown)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError):
            what, remedy = "neither a folder nor a whole ZIP archive", "fetch or pack the archive again"
            raise InputError(shown, what, remedy) from None
        self._check(path.stat().st_size)
        self._names: dict[str, list[str]] = defaultdict(list)
        for member in sorted(self._zip.namelist()):
            if not member.endswith("/"):
                folder, _, name = member.rpartition("/")
                self._names[folder].append(name)

    def _check(self, size: int) -> None:
        """Refuse what could lead out of the archive, or be far more than it seems."""
        for item in self._zip.infolist():
            if not is_safe(item.filename):
                self._refuse(item.filename, "the member's path leads out of the archive")
            if stat.S_ISLNK(item.external_attr >> 16):
                self._refuse(item.filename, "the member is a symbolic link")
            if item.flag_bits & 1:
                self._refuse(item.filename, "the member is encrypted")
        unpacked = sum(item.file_size for item in self._zip.infolist())
        if unpacked > _FREE + _RATIO * size:
            what = f"{size} bytes that unpack to {unpacked}: a ZIP bomb"
            raise InputError(self.shown, what, "get the archive from a source that you trust")

    def _refuse(self, member: str, what: str) -> None:
        raise InputError(self.where(member), what, "pack the archive again without it")

    def sequences(self) -> list[str]:
        """Sequence folders, see `Tree`."""
        inner, name = GT.split("/")
        folders = [PurePosixPath(folder) for folder, names in self._names.items() if name in names]
        found = ["/".join(folder.parts[:-1]) for folder in folders if folder.name == inner]
        return sorted(folder for folder in found if not folder.startswith("__MACOSX"))

    def names(self, folder: str) -> list[str]:
        """File names, see `Tree`."""
        return self._names.get(folder, [])

    def read(self, path: str) -> bytes:
        """Content, see `Tree`."""
        try:
            return self._zip.read(path)
        except KeyError:
            what, remedy = "no such member", "pack the archive again, or leave the sequence out"
            raise InputError(self.where(path), what, remedy) from None
        except _BROKEN:
            raise InputError(self.where(path), "the member is broken", "fetch or pack the archive again") from None

    def open(self, path: str) -> BinaryIO:
        """An open file, see `Tree`."""
        target = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it, and it is gone
        try:
            with self._zip.open(path) as member:
                shutil.copyfileobj(member, target)
        except _BROKEN:
            raise InputError(self.where(path), "the member is broken", "fetch or pack the archive again") from None
        target.seek(0)
        return target

    def where(self, path: str) -> str:
        """A member's place for a message."""
        return f"{self.shown}: {path}"
