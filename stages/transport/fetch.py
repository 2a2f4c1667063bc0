"""Brings one file here: a local path as it is; `https://` and `s3://` by way of the cache, see `cache`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from stages.errors import InputError
from stages.files import sha256_of
from stages.transport.cache import cache_folder
from stages.transport.hold import compare, hold
from stages.transport.progress import Meter
from stages.transport.remote import RemoteFile, show
from stages.transport.s3 import Bucket, S3File
from stages.transport.web import HttpFile


def fetch(
    address: str,
    cache: str | Path | None = None,
    *,
    sha256: str | None = None,
    endpoint_url: str | None = None,
    anonymous: bool = False,
) -> Path:
    """The file at ``address`` as a local path, whole; a folder where ``address`` is a local one.

    ``address``: a local path (with `$NAME` and `~`), `https://...` (`http://` on loopback) or `s3://bucket/key`.
    ``sha256`` is checked wherever the file comes from. ``cache`` is `cache_folder()` unless given. Raises `InputError`
    in one line, never with a credential in it.
    """
    address = expand(address)
    if is_local(address):
        return local_path(address, sha256)
    file = remote_file(address, endpoint_url, anonymous)
    return hold(file, Path(cache or cache_folder()), Meter(), sha256).whole()


def expand(address: str) -> str:
    """``address`` with `$NAME`, `${NAME}` and a leading `~` filled in; an undefined variable is an error."""

    def value(match: re.Match) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise InputError(show(address), f"the environment variable {name} is not set", f"run `export {name}=...`")
        return os.environ[name]

    filled = re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, address)
    return str(Path(filled).expanduser()) if filled.startswith("~") else filled


def is_local(address: str) -> bool:
    """Whether an address is a path on this machine."""
    return "://" not in address


def local_path(address: str, sha256: str | None) -> Path:
    """The local file or folder at ``address``, checked; raises `InputError`."""
    path = Path(address)
    if not path.exists() and not path.is_absolute() and "DVC_ROOT" in os.environ:
        path = Path(os.environ["DVC_ROOT"]) / path  # `dvc exp run --temp` runs elsewhere
    if not path.exists():
        raise InputError(address, "no such file or folder", "correct the path, or put the data there")
    if sha256 is not None:
        if path.is_dir():
            raise no_folder_hash(address)
        compare(address, sha256_of(path), sha256)
    return path


def no_folder_hash(shown: str) -> InputError:
    """The error for a `sha256` that a folder or a prefix cannot have."""
    return InputError(shown, "a folder has no sha256", "name one file, or take `sha256` out")


def split_s3(address: str, endpoint_url: str | None, anonymous: bool) -> tuple[Bucket, str]:
    """Bucket and key of an `s3://` address; raises `InputError`."""
    name, _, key = address.removeprefix("s3://").partition("/")
    if not name or not key:
        raise InputError(address, "no bucket or no key", "write s3://bucket/key, or s3://bucket/prefix/")
    return Bucket(name, endpoint_url, anonymous), key


def remote_file(address: str, endpoint_url: str | None, anonymous: bool) -> RemoteFile:
    """The one file at a remote address; nothing is asked of the server yet. Raises `InputError`."""
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        return HttpFile(address)
    if scheme != "s3":
        raise InputError(show(address), f"`{scheme}://` is not spoken here", "use a path, https:// or s3://")
    bucket, key = split_s3(address, endpoint_url, anonymous)
    if key.endswith("/"):
        raise InputError(bucket.shown(key), "a prefix is no file", "name one object")
    return S3File(bucket, key)


def is_safe(member: str) -> bool:
    """Whether a relative path stays inside its folder: not absolute, no `..`, no drive, back-slash or NUL."""
    leads_out = member.startswith("/") or ".." in member.split("/") or member[1:2] == ":"
    return not (leads_out or "\\" in member or "\0" in member)
