"""What a file far away is, whoever serves it, and how its failures are told: one line with the remedy.

Nothing that could hold a credential is printed: neither the query of an address (presigned addresses sign there)
nor a user name in it. `web.HttpFile` and `s3.S3File` are the two kinds.
"""

from __future__ import annotations

import ipaddress
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from stages.errors import InputError

TIMEOUT = 20.0  # seconds of silence on a connection
CONNECT = 10.0  # seconds for a connection to come about
CHUNK = 1 << 16  # bytes read at a time: what a broken connection or a kill can lose


class TransientError(InputError):
    """A failure that may pass: worth another attempt, after ``wait`` seconds where the server says so."""

    def __init__(self, where: str, what: str, remedy: str, wait: float = 0.0):
        super().__init__(where, what, remedy)
        self.wait = wait


class NoSuchRangeError(InputError):
    """The server refuses the range (416): the file is empty or shorter, or the server cannot do it."""


@dataclass(frozen=True)
class Remote:
    """An answer, open for reading once: bytes from ``start`` of a file of ``size`` bytes.

    ``version`` changes whenever the file does (its ETag, or what else the server says); None: the server says nothing.
    ``partial``: a range was asked for and given. ``length``: bytes that follow; None: until the end of the answer.
    """

    shown: str
    version: str | None
    size: int | None
    stream: BinaryIO
    partial: bool = False
    length: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """What follows; raises `TransientError` for too few bytes, `InputError` for too many."""
        left = self.length
        while left is None or left > 0:
            chunk = self.stream.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                break
            yield chunk
            left = None if left is None else left - len(chunk)
        if left:
            what = f"the connection broke off, {left} of {self.length} bytes missing"
            raise TransientError(self.shown, what, "run again")
        if left == 0 and self.stream.read(1):
            raise InputError(self.shown, f"the server sends more than {self.length} bytes", "ask who runs the server")


class RemoteFile(ABC):
    """A file behind an address: ``shown`` is the address without anything secret, ``name`` the file's name."""

    shown: str
    name: str

    @abstractmethod
    def open(
        self, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AbstractContextManager[Remote]:
        """Ask for the bytes from ``start`` to before ``end``; for the whole file without ``end``.

        A server that knows no ranges sends the whole file, see `Remote.partial`. ``version`` tells the server which
        version is wanted; the caller compares the answer's. Raises `InputError`.
        """


def show(address: str) -> str:
    """An address without its query, fragment, user name and password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if "://" in address else address


def file_name(path: str) -> str:
    """The last part of an address's path, as a file name."""
    return re.sub(r"[^\w.+-]", "_", unquote(PurePosixPath(path).name)).lstrip(".") or "file"


def on_loopback(address: str) -> bool:
    """Whether an address's host is this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def by_status(shown: str, status: int, code: str, keys: str, retry_after: str | None = None) -> InputError:
    """The error for an HTTP status; ``keys`` is the remedy where access is refused."""
    if status in (401, 403):
        return InputError(shown, f"forbidden ({code})", keys)
    if status in (404, 410):
        return InputError(shown, f"missing ({code})", "correct the address")
    if status == 412:
        return changed(shown)
    if status == 416:
        return NoSuchRangeError(shown, f"the server refuses the range ({code})", "check that the file is whole there")
    if status == 429 or status >= 500:
        wait = float(retry_after) if (retry_after or "").isdecimal() else 0.0
        return TransientError(shown, f"the server fails ({code})", "try again later", wait)
    return InputError(shown, f"the server refuses ({code})", "check the address")


def changed(shown: str) -> InputError:
    """The error for a file that is not the one of a moment ago."""
    return InputError(shown, "the file changed while it was being fetched", "run again when it has settled")


def silent(shown: str) -> TransientError:
    """The error for a server that stalls."""
    return TransientError(shown, f"the server has been silent for {TIMEOUT:g} seconds", "run again later")


def range_given(shown: str, header: str | None, start: int, end: int) -> tuple[int, int] | None:
    """Length and total size from a `Content-Range` header, which must be what was asked for (RFC 9110, 14.4).

    None: the total size is not told, so that ranges are of no use. Raises `InputError`.
    """
    given = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", (header or "").strip())
    if given and given[3] == "*":
        return None
    first, last, size = (int(given[part]) for part in (1, 2, 3)) if given else (-1, -1, 0)
    if first != start or last + 1 != min(end, size):
        raise InputError(shown, "the server sends another range than was asked for", "ask who runs the server")
    return last + 1 - first, size
