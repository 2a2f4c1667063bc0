"""A ZIP as a tree, read without unpacking it, here or far away; it is hostile until it has been checked."""

from __future__ import annotations

import copy
import io
import shutil
import tempfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from stages.errors import InputError
from stages.transport.cache import CachedFile
from stages.transport.hostile import check_members
from stages.transport.progress import Meter
from stages.transport.ranges import Span
from stages.transport.tree import ListedTree, no_such_file

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
Target = TypeVar("Target", bound=BinaryIO)

_CHUNK = 1 << 20
_TAIL = 8 << 10  # bytes at the end of a remote ZIP that are fetched first: where its directory lies, and a small one
_DIRECTORY = 1 << 29  # bytes that a directory may have: four million members
_HEADER = 30 + 2 * 65535 + 24  # bytes beside a member's content, at most: local header, name, extra field, descriptor


class NoArchiveError(InputError):
    """What is there cannot be read as a ZIP."""


class ZipTree(ListedTree):
    """A ZIP on disk, or behind an object that reads like one. Raises `InputError` for what is none, or is hostile."""

    def __init__(self, file: Path | BinaryIO, shown: str, meter: Meter | None = None):
        super().__init__(shown, meter)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN:
            what, remedy = "neither a folder nor a whole ZIP archive", "fetch or pack the archive again"
            raise NoArchiveError(shown, what, remedy) from None
        self._members = {item.filename: item for item in self._zip.infolist()}
        check_members(self._zip.infolist(), self._zip.start_dir, self)
        self._list(path for path, item in self._members.items() if not item.is_dir())

    def read(self, path: str) -> bytes:
        """Content, see `Tree`; its length and CRC are those that the directory says."""
        return self._unpacked(path, io.BytesIO()).getvalue()

    def open(self, path: str) -> BinaryIO:
        """An open file, see `Tree`: a copy on disk, gone when it is closed."""
        return self._unpacked(path, tempfile.TemporaryFile())

    def _unpacked(self, path: str, target: Target) -> Target:
        if path not in self._members:
            raise no_such_file(self.where(path))
        try:
            self._unpack(self._members[path], target)
        except _BROKEN:
            raise InputError(self.where(path), "the member is broken", "fetch or pack the archive again") from None
        target.seek(0)
        return target

    def _unpack(self, item: zipfile.ZipInfo, target: BinaryIO) -> None:
        """Write a member's content; raises what is in `_BROKEN`, and `InputError` for more of it than is declared."""
        declared, longer = item.file_size, copy.copy(item)
        longer.file_size += 1  # `zipfile` stops at the declared size, and would not see what lies behind it
        with self._zip.open(longer) as member:
            shutil.copyfileobj(member, target, _CHUNK)
        if target.tell() > declared:
            what = f"unpacks to more than the {declared} bytes that it declares: a ZIP bomb"
            raise InputError(self.where(item.filename), what, "get the archive from a source that you trust")
        if target.tell() < declared:
            raise EOFError

    def where(self, path: str) -> str:
        """A member's place for a message."""
        return f"{self.shown}: {path}" if path else self.shown


class RemoteZipTree(ZipTree):
    """A ZIP in the cache of which only the directory and the members that were wanted are there."""

    def __init__(self, held: CachedFile, shown: str):
        self._held = held
        super().__init__(_OnDemand(held), shown, held.meter)
        self._offsets = sorted({item.header_offset for item in self._members.values()} | {self._zip.start_dir})

    def fetch(self, paths: Iterable[str]) -> None:
        """Bring members, neighbours with one request, see `Tree`."""
        wanted = {self._members[path].header_offset: self._members[path] for path in paths if path in self._members}
        self._held.need([self._span(item) for item in wanted.values()], files=True)

    def _span(self, item: zipfile.ZipInfo) -> Span:
        """A member's bytes: to where the next one begins, but no more than it can have."""
        start = item.header_offset
        following = next(islice(self._offsets, bisect_right(self._offsets, start), None), self._held.size)
        return start, min(following, start + _HEADER + item.compress_size)

    def _unpack(self, item: zipfile.ZipInfo, target: BinaryIO) -> None:
        """See `ZipTree`; a member that is broken here (a write that a crash tore) is fetched once more."""
        self._held.need([self._span(item)], files=True)
        try:
            super()._unpack(item, target)
        except _BROKEN:
            if not self._held.forget(*self._span(item)):
                raise
            self._held.need([self._span(item)], files=True)
            target.seek(0)
            target.truncate()
            super()._unpack(item, target)


def open_remote_zip(held: CachedFile, shown: str) -> RemoteZipTree:
    """The ZIP; a directory that is broken here, where no CRC guards it, is fetched once more. Raises `InputError`."""
    try:
        return RemoteZipTree(held, shown)
    except NoArchiveError:
        if not held.forget(0, held.size):
            raise
        return RemoteZipTree(held, shown)


class _OnDemand:
    """What `zipfile` needs of a file, over bytes that are fetched when they are read."""

    def __init__(self, held: CachedFile):
        self._held, self._position = held, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self._position, self._held.size)[whence]
        if position < 0:
            raise OSError("before the beginning")
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        start = self._position
        end = self._held.size if size < 0 else min(self._held.size, start + size)
        if start >= end:
            return b""
        if end - start > _DIRECTORY:
            raise zipfile.BadZipFile("a directory larger than any")
        if start >= self._held.size - _TAIL:
            self._held.need([(max(0, self._held.size - _TAIL), self._held.size)])
        self._position = end
        return self._held.read(start, end)

    def close(self) -> None:
        """Nothing is open."""
