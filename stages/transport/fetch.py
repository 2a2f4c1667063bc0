"""Brings data here: a local path as it is; `https://` and `s3://` by way of a cache outside all DVC outputs.

The cache (`cache_folder`) keeps a file under its SHA-256 where params.yaml gives one, else under its address and
the version that the server names, so that a file that changed there is fetched anew. DVC deletes a stage's outputs
before it runs the stage; what lies in the cache stays.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial as bind
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from stages.errors import InputError
from stages.files import replacing, sha256_of
from stages.transport.remote import Remote, TransientError, open_http, show
from stages.transport.s3 import Bucket

_PAUSES = (0.3, 1.0)  # seconds before the second and the third attempt
_CHUNK = 1 << 20
_THREADS = 8  # objects under a prefix are many and small: latency rules

T = TypeVar("T")
Opener = Callable[[], AbstractContextManager[Remote]]


def cache_folder() -> Path:
    """`.skyward/fetched/` of the repository; of the main one under `dvc exp run --temp`, which sets DVC_ROOT."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".skyward" / "fetched"


def fetch(
    address: str,
    cache: str | Path | None = None,
    *,
    sha256: str | None = None,
    endpoint_url: str | None = None,
    anonymous: bool = False,
) -> Path:
    """The file or folder at ``address`` as a local path.

    ``address``: a local path (with `$NAME` and `~`), `https://...` (`http://` on loopback), `s3://bucket/key`, or
    `s3://bucket/prefix/` for all objects under a prefix as a folder. ``sha256`` is checked wherever the file comes
    from. ``cache`` is `cache_folder()` unless given. Raises `InputError` in one line, never with a credential in it.
    """
    address, cache = expand(address), Path(cache or cache_folder())
    scheme = urlsplit(address).scheme if "://" in address else ""
    if scheme == "":
        return _local(address, sha256)
    if scheme in ("http", "https"):
        return _file(show(address), _name(urlsplit(address).path), cache, sha256, bind(open_http, address))
    if scheme != "s3":
        raise InputError(show(address), f"`{scheme}://` is not spoken here", "use a path, https:// or s3://")
    name, _, key = address.removeprefix("s3://").partition("/")
    if not name or not key:
        raise InputError(address, "no bucket or no key", "write s3://bucket/key, or s3://bucket/prefix/")
    bucket = Bucket(name, endpoint_url, anonymous)
    if key.endswith("/"):
        return _folder(bucket, key, cache, sha256)
    return _file(bucket.shown(key), _name(key), cache, sha256, bind(bucket.open, key))


def expand(address: str) -> str:
    """``address`` with `$NAME`, `${NAME}` and a leading `~` filled in; an undefined variable is an error."""

    def value(match: re.Match) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise InputError(address, f"the environment variable {name} is not set", f"run `export {name}=...`")
        return os.environ[name]

    filled = re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, address)
    return str(Path(filled).expanduser()) if filled.startswith("~") else filled


def _local(address: str, sha256: str | None) -> Path:
    path = Path(address)
    if not path.exists() and not path.is_absolute() and "DVC_ROOT" in os.environ:
        path = Path(os.environ["DVC_ROOT"]) / path  # `dvc exp run --temp` runs elsewhere
    if not path.exists():
        raise InputError(address, "no such file or folder", "correct the path, or put the data there")
    if sha256 is not None:
        if path.is_dir():
            raise _no_folder_hash(address)
        _compare(address, sha256_of(path), sha256)
    return path


def _compare(shown: str, found: str, expected: str) -> None:
    if found != expected:
        what = f"sha256 starts {found[:12]}, not {expected[:12]} as params.yaml says"
        raise InputError(shown, what, "get the right file, or correct `sha256`")


def _no_folder_hash(shown: str) -> InputError:
    return InputError(shown, "a folder has no sha256", "name one file, or take `sha256` out")


def _file(shown: str, name: str, cache: Path, sha256: str | None, opener: Opener) -> Path:
    """One remote file by way of the cache, where it keeps its name."""
    with _locked(cache, shown):
        if sha256 is None:
            return _attempt(lambda: _download(opener, shown, lambda version: cache / _key(shown, version) / name))
        path = cache / sha256[:32] / name
        if not (path.exists() and sha256_of(path) == sha256):
            _attempt(lambda: _download(opener, shown, lambda _: path, sha256))
        return path


def _name(path: str) -> str:
    """The last part of an address's path, as a file name."""
    return re.sub(r"[^\w.+-]", "_", unquote(PurePosixPath(path).name)).lstrip(".") or "file"


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _attempt(action: Callable[[], T]) -> T:
    """``action``, again after a failure that may pass."""
    for pause in _PAUSES:
        try:
            return action()
        except TransientError:
            time.sleep(pause)
    return action()


def _download(opener: Opener, shown: str, place: Callable[[str], Path], sha256: str | None = None) -> Path:
    """Open, and copy to the path that ``place`` gives for the version, unless that version lies there already."""
    with opener() as remote:
        path = place(remote.version or "")
        if sha256 is None and remote.version is not None and path.exists():
            return path
        with _room(path, shown), replacing(path) as partial:
            found = _copy(remote, partial, shown)
            if sha256 is not None:
                _compare(shown, found, sha256)
    return path


def _copy(remote: Remote, target: Path, shown: str) -> str:
    """Copy to ``target``; the content's SHA-256."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := remote.stream.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    if remote.size is not None and size != remote.size:
        raise TransientError(shown, f"the connection broke off at byte {size} of {remote.size}", "run again")
    return digest.hexdigest()


@contextmanager
def _room(path: Path, shown: str) -> Iterator[None]:
    """A full disk, said with the file's name."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(str(path), f"no space left for {shown}", "free some space, then run again") from None


@contextmanager
def _locked(cache: Path, identity: str) -> Iterator[None]:
    """One process at a time fetches an address; the lock of a killed one is free again."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{_key(identity)}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(bucket: Bucket, prefix: str, cache: Path, sha256: str | None) -> Path:
    """All objects under a prefix as a folder of hard links into the cache: a later run fetches only what changed."""
    shown = bucket.shown(prefix)
    if sha256 is not None:
        raise _no_folder_hash(shown)
    with _locked(cache, shown):
        listing = _attempt(lambda: bucket.list(prefix))
        _refuse_unsafe_keys(shown, prefix, [key for key, _ in listing])
        folder = cache / _key(shown, *(f"{key} {version}" for key, version in listing)) / _name(prefix)
        if not folder.exists():
            with _room(folder, shown), replacing(folder) as partial, ThreadPoolExecutor(_THREADS) as pool:
                places = [(partial / key.removeprefix(prefix), key, version) for key, version in listing]
                for _ in pool.map(lambda place: _object(bucket, cache, *place), places):
                    pass
    return folder


def _refuse_unsafe_keys(shown: str, prefix: str, keys: list[str]) -> None:
    if not keys:
        raise InputError(shown, "missing: no object under this prefix", "correct the address")
    for key in keys:
        if not is_safe(key.removeprefix(prefix)):
            raise InputError(shown, f"an object's key leads out of the folder: {key!r}", "rename the object")


def is_safe(member: str) -> bool:
    """Whether a relative path stays inside its folder: not absolute, no `..`, no drive, back-slash or NUL."""
    leads_out = member.startswith("/") or ".." in member.split("/") or member[1:2] == ":"
    return not (leads_out or "\\" in member or "\0" in member)


def _object(bucket: Bucket, cache: Path, target: Path, key: str, version: str) -> None:
    """Bring one object into the cache, if it is not there, and link it to ``target``."""
    shown = bucket.shown(key)
    blob = cache / "objects" / _key(shown, version)
    if not blob.exists():
        _attempt(lambda: _download(bind(bucket.open, key), shown, lambda _: blob))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(blob, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(blob, target)  # a file system without hard links
