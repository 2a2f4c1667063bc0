"""All objects under an S3 prefix as a tree: listed at once, fetched as they are wanted, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from stages.errors import InputError
from stages.files import replacing
from stages.transport.cache import CachedFile, in_threads, is_whole, key_of, locked, room
from stages.transport.fetch import is_safe
from stages.transport.progress import Meter
from stages.transport.ranges import PIECE
from stages.transport.retry import attempt, receive
from stages.transport.s3 import Bucket, Object, S3File
from stages.transport.tree import ListedTree, no_such_file


class PrefixTree(ListedTree):
    """The objects whose keys begin with ``prefix``, which ends in `/`. Raises `InputError`.

    An object is kept in ``cache`` under its address and version, whatever prefix it was reached by.
    """

    def __init__(self, bucket: Bucket, prefix: str, cache: Path, meter: Meter):
        super().__init__(bucket.shown(prefix), meter)
        self._bucket, self._prefix, self._cache = bucket, prefix, cache
        meter.request()
        listing = attempt(lambda: bucket.list(prefix))
        if not listing:
            raise InputError(self.shown, "missing: no object under this prefix", "correct the address")
        self._objects = {item.key.removeprefix(prefix): item for item in listing}
        for path, item in self._objects.items():
            if not is_safe(path):
                raise InputError(self.shown, f"an object's key leads out of the folder: {item.key!r}", "rename it")
        self._list(self._objects)

    def open(self, path: str) -> BinaryIO:
        """The object in the cache, see `Tree`."""
        if path not in self._objects:
            raise no_such_file(self.where(path))
        self.fetch([path])
        return self._blob(self._objects[path]).open("rb")

    def where(self, path: str) -> str:
        """An object's address for a message."""
        return self._bucket.shown(self._prefix + path)

    def fetch(self, paths: Iterable[str]) -> None:
        """Bring objects, see `Tree`."""
        wanted = [self._objects[path] for path in dict.fromkeys(paths) if path in self._objects]
        if not self._missing(wanted):
            return
        with locked(self._cache, self._bucket.shown("")), room(self._cache, self.shown):
            missing = self._missing(wanted)
            size = sum(item.size for item in missing)
            with self._meter.showing(self._prefix, size, len(missing)):
                in_threads(self._bring, (item for item in missing if item.size <= PIECE))
                for item in missing:
                    if item.size > PIECE:
                        self._held(item).whole()

    def _missing(self, wanted: list[Object]) -> list[Object]:
        return [item for item in wanted if not is_whole(self._blob(item))]

    def _blob(self, item: Object) -> Path:
        return self._cache / "objects" / key_of(self._bucket.shown(item.key), item.version)

    def _held(self, item: Object) -> CachedFile:
        """An object that is worth several requests, and going on after a kill."""
        file = S3File(self._bucket, item.key)
        return CachedFile(file, self._blob(item), item.version, item.size, self._meter, self._cache)

    def _bring(self, item: Object) -> None:
        """Fetch an object with one request."""
        self._meter.need(item.size)
        with replacing(self._blob(item)) as partial, partial.open("wb") as target:

            def keep(_: int, chunk: bytes) -> None:
                target.write(chunk)
                self._meter.bytes(len(chunk))

            receive(S3File(self._bucket, item.key), 0, item.size, item.version, keep, self._meter)
        self._meter.file()
