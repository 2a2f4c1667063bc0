"""Counts what travels, and shows it on stderr: a bar on a terminal, one line at the end elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Traffic:
    """What a source made travel in this run; all zero where nothing is remote, or all was in the cache.

    ``bytes_needed``: of the files that were wanted and of the listings that tell where they are, without what the cache
    held. ``bytes_fetched``: what was brought for them. ``files``: members of ZIPs, objects, single files.
    """

    bytes_needed: int = 0
    bytes_fetched: int = 0
    files: int = 0
    requests: int = 0


class Meter:
    """Counts the traffic of one source; threads may share it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._needed = self._fetched = self._files = self._requests = 0
        self._bar: Any = None
        self._wanted = self._arrived = 0  # files, of the bar that is shown

    @property
    def traffic(self) -> Traffic:
        """What has travelled so far."""
        return Traffic(self._needed, self._fetched, self._files, self._requests)

    def request(self) -> None:
        """A request is made."""
        with self._lock:
            self._requests += 1

    def need(self, size: int) -> None:
        """So many bytes are wanted that are not here."""
        with self._lock:
            self._needed += size

    def bytes(self, size: int) -> None:
        """So many bytes have arrived."""
        with self._lock:
            self._fetched += size
            if self._bar is not None:
                self._bar.update(size)

    def file(self, count: int = 1) -> None:
        """Files are complete."""
        with self._lock:
            self._files += count
            self._arrived += count
            if self._bar is not None:
                self._bar.set_postfix_str(f"{self._arrived}/{self._wanted} files", refresh=False)

    @contextmanager
    def showing(self, name: str, size: int, files: int) -> Iterator[None]:
        """Show a bar (files, bytes, rate, time left) while ``size`` bytes arrive, once that takes over a second."""
        if self._bar is not None or not sys.stderr.isatty():
            yield
            return
        from tqdm import tqdm

        bar = tqdm(total=size, desc=name, unit="B", unit_scale=True, delay=1.0, file=sys.stderr, dynamic_ncols=True)
        with bar:
            with self._lock:
                self._bar, self._wanted, self._arrived = bar, files, 0
            try:
                yield
            finally:
                with self._lock:
                    self._bar = None

    def summarise(self) -> None:
        """Where there is no terminal: one line, if anything was fetched."""
        if self._fetched and not sys.stderr.isatty():
            files = "1 file" if self._files == 1 else f"{self._files} files"
            print(f"fetched {files}, {_readable(self._fetched)}", file=sys.stderr)


def _readable(size: float) -> str:
    """Bytes in units of a thousand."""
    power = min(4, (len(str(int(size))) - 1) // 3)
    return f"{size / 1000**power:.{min(power, 1)}f} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
