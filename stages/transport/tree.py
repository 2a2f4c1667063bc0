"""A tree of files that is read where it lies: what formats' readers see of a source. Here: a folder, a single file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from stages.errors import InputError
from stages.transport.progress import Meter, Traffic


class Tree(ABC):
    """Files by their path from the tree's top, with `/` between the parts; `""` is the top itself."""

    def __init__(self, shown: str, meter: Meter | None = None):
        self.shown = shown
        self._meter = meter or Meter()

    @abstractmethod
    def files(self) -> list[str]:
        """The paths of all files, sorted; hidden ones and what is beside them left out."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files in ``folder``, sorted; none if there is no such folder."""

    def read(self, path: str) -> bytes:
        """A file's content; raises `InputError`."""
        with self.open(path) as file:
            return file.read()

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A file, open for reading at random; raises `InputError`."""

    def fetch(self, paths: Iterable[str]) -> None:  # noqa: B027 - what is here need not be fetched
        """Bring files here that are about to be read, many at once; raises `InputError`. What is here stays."""

    def where(self, path: str) -> str:
        """A file's place for a message."""
        return f"{self.shown.rstrip('/')}/{path}"

    @property
    def traffic(self) -> Traffic:
        """What has travelled for this tree so far; all zero for what is local."""
        return self._meter.traffic

    def close(self) -> None:
        """Say on stderr, where it is no terminal, how much was fetched."""
        self._meter.summarise()


def join(*parts: str) -> str:
    """Parts of a path in a tree, put together."""
    return "/".join(part for part in parts if part)


def visible(paths: Iterable[str]) -> list[str]:
    """The paths that count, sorted: without hidden files and those of macOS."""
    return sorted(path for path in paths if not (path.startswith(("__MACOSX/", ".")) or "/." in path))


def no_such_file(where: str) -> InputError:
    """The error for a path that is not in the tree."""
    return InputError(where, "no such file", "put it there, or leave the sequence out")


class ListedTree(Tree):
    """A tree whose paths are all known from the start: who derives from it calls `_list` once."""

    def _list(self, paths: Iterable[str]) -> None:
        self._files: list[str] = visible(paths)
        self._names: dict[str, list[str]] = defaultdict(list)
        for path in self._files:
            folder, _, name = path.rpartition("/")
            self._names[folder].append(name)

    def files(self) -> list[str]:
        """All paths, see `Tree`."""
        return self._files

    def names(self, folder: str) -> list[str]:
        """File names, see `Tree`."""
        return self._names.get(folder, [])


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

    def open(self, path: str) -> BinaryIO:
        """An open file, see `Tree`."""
        try:
            return (self._top / path).open("rb")
        except (FileNotFoundError, IsADirectoryError):
            raise no_such_file(self.where(path)) from None


class FileTree(Tree):
    """One file, the only one of its tree. ``bring`` gives its local path, having fetched it if need be."""

    def __init__(self, name: str, shown: str, bring: Callable[[], Path], meter: Meter | None = None):
        super().__init__(shown, meter)
        self._name, self._bring = name, bring

    def files(self) -> list[str]:
        """The one path, see `Tree`."""
        return [self._name]

    def names(self, folder: str) -> list[str]:
        """The one name, see `Tree`."""
        return [self._name] if folder == "" else []

    def open(self, path: str) -> BinaryIO:
        """The open file, see `Tree`."""
        if path != self._name:
            raise no_such_file(self.where(path))
        return self._bring().open("rb")

    def fetch(self, paths: Iterable[str]) -> None:
        """Bring it, see `Tree`."""
        if self._name in paths:
            self._bring()

    def where(self, path: str) -> str:
        """The file's own place for a message."""
        return self.shown if path in ("", self._name) else super().where(path)
