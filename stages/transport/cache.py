"""The cache outside all DVC outputs, and a remote file in it of which only some bytes are here.

DVC deletes a stage's outputs before it runs the stage; what lies in the cache stays. A file is kept under its SHA-256
where params.yaml gives one, else under its address (without the query, which may be a signature) and the version that
the server names: a file that changed there is fetched anew, a fresh signature for the same file finds what is here.

`NAME` is as long as the file, with holes where nothing was fetched; `NAME.ranges` beside it is its journal: the
version, then one line (first byte, byte behind the last, length) for every chunk that is in place. A chunk is written
before its line, so that a kill at any moment loses only what was in flight. A file without a journal is whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from stages.errors import InputError
from stages.files import replacing
from stages.transport.progress import Meter
from stages.transport.ranges import Ranges, Span, plan
from stages.transport.remote import RemoteFile
from stages.transport.retry import receive

THREADS = 12  # requests under way at a time


def cache_folder() -> Path:
    """`.skyward/fetched/` of the repository; of the main one under `dvc exp run --temp`, which sets DVC_ROOT."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".skyward" / "fetched"


def key_of(*parts: str) -> str:
    """A file name for what ``parts`` say together."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@contextmanager
def locked(cache: Path, identity: str) -> Iterator[None]:
    """One process at a time fetches what ``identity`` names; the lock of a killed one is free again."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{key_of(identity)}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def room(path: Path, shown: str) -> Iterator[None]:
    """A full disk, said with the file's name."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(str(path), f"no space left for {shown}", "free some space, then run again") from None


def in_threads(function: Callable, items: Iterable) -> None:
    """Call ``function`` for every item in threads; after an error no other is begun, and it is raised."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        for _ in pool.map(function, items):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def is_whole(path: Path) -> bool:
    """Whether ``path`` is in the cache with all its bytes."""
    return path.exists() and not _journal(path).exists()


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}.ranges")


class CachedFile:
    """A remote file at ``path`` in the cache, of which `need` brings what is wanted. Threads may share it.

    ``plain``: it has just been downloaded whole, because the server does not send parts.
    """

    def __init__(
        self, file: RemoteFile, path: Path, version: str, size: int, meter: Meter, cache: Path, plain: bool = False
    ):
        self.path, self.size, self.shown, self.meter = path, size, file.shown, meter
        self._file, self._version, self._cache = file, version, cache
        self._header = key_of(version, str(size))
        self._lock = threading.Lock()
        self._done, self._seen = Ranges(), None
        self._plain, self._asked = plain, Ranges()
        self._data = self._log = -1  # file descriptors, while something is fetched
        self._members: list[Span] = []  # not complete yet

    def read(self, start: int, end: int) -> bytes:
        """Bytes from ``start`` to before ``end``, fetched if need be; raises `InputError`."""
        self.need([(start, end)])
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), end - start, start)

    def whole(self) -> Path:
        """The path, once all of the file is there; raises `InputError`."""
        self.need([(0, self.size)], files=True)
        with locked(self._cache, self.shown):
            if not is_whole(self.path):
                with self.path.open("rb") as file:
                    os.fsync(file)
                _journal(self.path).unlink()
        return self.path

    def need(self, spans: Iterable[Span], files: bool = False) -> None:
        """Bring the bytes of ``spans`` that are not here; ``files``: each is a file to count. Raises `InputError`."""
        spans = sorted({(start, min(end, self.size)) for start, end in spans})
        if self._plain:
            self._count_asked(spans, files)
        if not self._missing(spans):
            return
        with locked(self._cache, self.shown), room(self.path, self.shown), self._opened():
            if missing := self._missing(spans):
                self._fetch(missing, files)

    def forget(self, start: int, end: int) -> bool:
        """Let a span be fetched again, since what is there is no good; not if it was fetched with all the file."""
        with locked(self._cache, self.shown), self._opened(), self._lock:
            if is_whole(self.path):
                return False
            self._done.discard(start, min(end, self.size))
            self._write_journal()
        return True

    def _count_asked(self, spans: list[Span], files: bool) -> None:
        """After a plain download, count what of it was wanted."""
        with self._lock:
            for span in spans:
                fresh = Ranges(self._asked.missing(*span))
                self.meter.need(fresh.total)
                self.meter.file(int(files and fresh.total > 0))
                self._asked.add(*span)

    def _missing(self, spans: list[Span]) -> list[Span]:
        with self._lock:
            return [span for span in spans if self._done.missing(*span)]

    def _fetch(self, spans: list[Span], files: bool) -> None:
        wanted = Ranges(part for span in spans for part in self._done.missing(*span))
        self.meter.need(wanted.total)
        self._members = spans if files else []
        pieces = plan(wanted, self._done)
        with self.meter.showing(self.path.name, sum(end - start for start, end in pieces), len(self._members)):
            in_threads(lambda piece: receive(self._file, *piece, self._version, self._write, self.meter), pieces)

    def _write(self, position: int, chunk: bytes) -> None:
        """Put a chunk in its place, then into the journal."""
        end = position + len(chunk)
        line = f"{position} {end} {len(chunk)}\n".encode()
        if os.pwrite(self._data, chunk, position) < len(chunk):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with self._lock:
            if os.write(self._log, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._done.add(position, end)
            complete = sum(not self._done.missing(*span) for span in self._touched(position, end))
        self.meter.bytes(len(chunk))
        self.meter.file(complete)

    def _touched(self, start: int, end: int) -> list[Span]:
        """The members that a span holds something of."""
        first = bisect_right(self._members, start, key=lambda span: span[1])
        return self._members[first : bisect_left(self._members, end, key=lambda span: span[0])]

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Take in what the journal says, and have both files open; for who holds the lock."""
        journal = _journal(self.path)
        if _state(journal) != self._seen or self._seen is None:
            self._load()
        if is_whole(self.path):
            yield
            return
        with self.path.open("r+b") as data, journal.open("ab") as log:
            self._data, self._log = data.fileno(), log.fileno()
            yield
        self._seen = _state(journal)

    def _load(self) -> None:
        """What is here of this version; nothing, in a file full of holes, where there was none or another."""
        there = self.path.exists() and self.path.stat().st_size == self.size
        whole = there and is_whole(self.path)
        done = _spans_of(_journal(self.path), self._header, self.size) if there and not whole else Ranges()
        with self._lock:
            self._done = Ranges([(0, self.size)]) if whole else done
        if not whole:
            self._write_journal()
        if not there:
            with self.path.open("wb") as file:
                file.truncate(self.size)

    def _write_journal(self) -> None:
        lines = [self._header, *(f"{start} {end} {end - start}" for start, end in self._done.spans)]
        with replacing(_journal(self.path)) as partial:
            partial.write_text("\n".join(lines) + "\n")


def _state(journal: Path) -> tuple[int, int] | None:
    """What changes when another process writes to the journal."""
    try:
        stat = journal.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size


def _spans_of(journal: Path, header: str, size: int) -> Ranges:
    """What a journal says. A line that a kill or a full disk cut off says nothing, nor does one that follows it on."""
    lines = journal.read_text().splitlines(keepends=True)
    if not lines or lines[0] != f"{header}\n":
        return Ranges()
    found = [re.fullmatch(r"(\d+) (\d+) (\d+)\n", line) for line in lines[1:]]
    spans = [(int(match[1]), int(match[2]), int(match[3])) for match in found if match]
    return Ranges((start, end) for start, end, length in spans if end - start == length and end <= size)
