"""Another attempt after a failure that may pass, with pauses that grow; a broken answer goes on where it broke off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from stages.errors import InputError
from stages.transport.progress import Meter
from stages.transport.remote import RemoteFile, TransientError, changed

PAUSES = (0.3, 0.9, 2.7)  # seconds before the second, third, fourth attempt
LONGEST = 30.0  # seconds: the longest pause that a server's Retry-After may ask for
PROGRESS = 1 << 18  # bytes: an attempt that brought so many is no failure

T = TypeVar("T")


def attempt(action: Callable[[], T]) -> T:
    """``action``, again after a `TransientError`; raises the last."""
    for failures in range(len(PAUSES)):
        try:
            return action()
        except TransientError as error:
            _pause(failures, error)
    return action()


def receive(
    file: RemoteFile, start: int, end: int, version: str, keep: Callable[[int, bytes], None], meter: Meter
) -> None:
    """Hand the bytes from ``start`` to before ``end`` of ``file``, with their positions, to ``keep``.

    Raises `InputError` when the file is no longer the ``version`` that is wanted.
    """
    failures = 0
    while start < end:
        before = start
        try:
            meter.request()
            with file.open(start, end, version) as remote:
                if remote.version != version:
                    raise changed(file.shown)
                if not remote.partial:
                    what = "the server sends the whole file when asked for a range, which it could do before"
                    raise InputError(file.shown, what, "run again")
                for chunk in remote.chunks():
                    keep(start, chunk)
                    start += len(chunk)
        except TransientError as error:
            failures = 0 if start - before >= PROGRESS else failures
            if failures == len(PAUSES):
                raise
            _pause(failures, error)
            failures += 1


def _pause(failures: int, error: TransientError) -> None:
    time.sleep(min(LONGEST, max(PAUSES[failures], error.wait)))
