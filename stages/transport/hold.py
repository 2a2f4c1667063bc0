"""Finds out which version of a remote file there is, and gives its place in the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stages.errors import InputError
from stages.files import replacing, sha256_of
from stages.transport.cache import CachedFile, is_whole, key_of, locked, room
from stages.transport.progress import Meter
from stages.transport.remote import NoSuchRangeError, Remote, RemoteFile
from stages.transport.retry import attempt

_MAGIC = 4  # bytes asked for to learn version and size; what a ZIP is known by


def hold(file: RemoteFile, cache: Path, meter: Meter, sha256: str | None = None, parts: bool = False) -> CachedFile:
    """``file`` in ``cache``, where its bytes are fetched as they are needed.

    Where the server does not send parts, or names no version, it is downloaded whole, at once; with a warning if
    ``parts`` of it were wanted. With ``sha256`` it is fetched whole too, since nothing less can be checked by it; a
    file under its sha256 is never asked for again. Raises `InputError`.
    """
    place = cache / sha256[:32] / file.name if sha256 else None
    with locked(cache, file.shown):
        if place and is_whole(place) and sha256_of(place) == sha256:
            return CachedFile(file, place, sha256, place.stat().st_size, meter, cache)
        if place and is_whole(place):
            place.unlink()
        held = attempt(lambda: _ask(file, cache, meter, place, parts))
    if sha256:
        _verify(held, sha256)
    return held


def compare(shown: str, found: str, expected: str) -> None:
    """Raise `InputError` where a file's SHA-256 is not what params.yaml says."""
    if found != expected:
        what = f"sha256 starts {found[:12]}, not {expected[:12]} as params.yaml says"
        raise InputError(shown, what, "get the right file, or correct `sha256`")


def _verify(held: CachedFile, sha256: str) -> None:
    path = held.whole()
    try:
        compare(held.shown, sha256_of(path), sha256)
    except InputError:
        path.unlink()
        raise


def _ask(file: RemoteFile, cache: Path, meter: Meter, place: Path | None, parts: bool) -> CachedFile:
    """Ask for the first bytes: the answer tells version and size, or is the whole file."""
    try:
        meter.request()
        with file.open(0, _MAGIC) as remote:
            if remote.partial and remote.version and remote.size is not None:
                for _ in remote.chunks():  # to the end, so that the connection can be kept
                    pass
                path = place or cache / key_of(file.shown, remote.version) / file.name
                return CachedFile(file, path, remote.version, remote.size, meter, cache)
            if not remote.partial:
                return _download(file, remote, cache, meter, place, parts)
    except NoSuchRangeError:
        pass  # an empty file, or a server that refuses what it does not know
    meter.request()
    with file.open() as remote:
        return _download(file, remote, cache, meter, place, parts)


def _download(
    file: RemoteFile, remote: Remote, cache: Path, meter: Meter, place: Path | None, parts: bool
) -> CachedFile:
    """Take the whole answer, unless this version lies in the cache already."""
    path = place or cache / key_of(file.shown, remote.version or "") / file.name
    version = remote.version or "unknown"
    if place is None and remote.version is not None and is_whole(path):
        return CachedFile(file, path, version, path.stat().st_size, meter, cache)
    if parts:
        print(f"warning: {file.shown}: the server sends no parts of a file: all of it is fetched", file=sys.stderr)
    with room(path, file.shown), replacing(path) as partial:
        size = _copy(remote, partial, meter)
    return CachedFile(file, path, version, size, meter, cache, plain=True)


def _copy(remote: Remote, target: Path, meter: Meter) -> int:
    """Copy to ``target``; how many bytes it were."""
    size = 0
    with target.open("wb") as file, meter.showing(target.name, remote.length or 0, 1):
        for chunk in remote.chunks():
            file.write(chunk)
            meter.bytes(len(chunk))
            size += len(chunk)
        file.flush()
        os.fsync(file)
    return size
