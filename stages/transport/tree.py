"""A folder or a ZIP as a tree of files that is read where it lies; a ZIP is hostile until it has been checked."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from stages.errors import InputError
from stages.transport.fetch import is_safe

# Frames hardly compress and text does so tenfold; deflate reaches a thousandfold only with made-up content.
_RATIO = 20
_FREE = 64 << 20  # bytes that a ZIP may always hold

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


class Tree(ABC):
    """Files by their path from the tree's top, with `/` between the parts; `""` is the top itself."""

    def __init__(self, shown: str):
        self.shown = shown

    @abstractmethod
    def files(self) -> list[str]:
        """The paths of all files, sorted; hidden ones and what is beside them left out."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files in ``folder``, sorted; none if there is no such folder."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """A file's content; raises `InputError`."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A file, open for reading at random; raises `InputError`."""

    def fetch(self, paths: Iterable[str]) -> None:  # noqa: B027 - what is here need not be fetched
        """Bring files here that are about to be read, many at once; raises `InputError`. What is here stays."""

    def where(self, path: str) -> str:
        """A file's place for a message."""
        return f"{self.shown.rstrip('/')}/{path}"


def join(*parts: str) -> str:
    """Parts of a path in a tree, put together."""
    return "/".join(part for part in parts if part)


def _hidden(path: str) -> bool:
    return path.startswith(("__MACOSX/", ".")) or "/." in path


class FolderTree(Tree):
    """A folder on disk. Links are followed: who made the folder may link."""

    def __init__(self, path: Path, shown: str):
        super().__init__(shown)
        self._top = path
        self._files: list[str] | None = None

    def files(self) -> list[str]:
        """All paths, see `Tree`."""
        if self._files is None:
            self._files = sorted(self._walk(self._top, ""))
        return self._files

    def _walk(self, folder: Path, path: str, above: tuple[Path, ...] = ()) -> Iterator[str]:
        real = folder.resolve()
        if real in above:  # a link to a folder around it
            return
        for item in os.scandir(folder):
            if item.name.startswith("."):
                continue
            if item.is_dir():
                yield from self._walk(folder / item.name, join(path, item.name), (*above, real))
            else:
                yield join(path, item.name)

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
        self._files = sorted(member for member in self._zip.namelist() if not (member.endswith("/") or _hidden(member)))
        for member in self._files:
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

    def files(self) -> list[str]:
        """All paths, see `Tree`."""
        return self._files

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
