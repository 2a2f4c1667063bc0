"""Opens all that a source's `path` names as one tree of files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from stages.params import FileSource
from stages.transport.cache import cache_folder
from stages.transport.fetch import expand, is_local, local_path, no_folder_hash, remote_file, split_s3
from stages.transport.hold import hold
from stages.transport.prefix import PrefixTree
from stages.transport.progress import Meter
from stages.transport.remote import show
from stages.transport.tree import FileTree, FolderTree, Tree
from stages.transport.union import UnionTree
from stages.transport.zips import ZipTree, open_remote_zip


def open_tree(source: FileSource) -> Tree:
    """All of ``source.path`` as one tree; raises `InputError`.

    A path is a folder, a ZIP or a single file (a video, a table), here or far away. Of a remote ZIP only the directory
    is fetched, of an S3 prefix only the listing, of a single file nothing; the rest when it is asked for. A remote file
    with a `sha256` is fetched whole, since nothing less can be checked by it: every member of a ZIP has a CRC anyway.
    """
    meter = Meter()
    trees = [
        _open(expand(address), sha256, source, meter)
        for address, sha256 in zip(source.paths, source.hashes, strict=True)
    ]
    return trees[0] if len(trees) == 1 else UnionTree(trees, meter)


def _open(address: str, sha256: str | None, source: FileSource, meter: Meter) -> Tree:
    if is_local(address):
        return _local(local_path(address, sha256), show(address))
    cache = cache_folder()
    if address.startswith("s3://") and address.endswith("/"):
        bucket, prefix = split_s3(address, source.endpoint_url, source.anonymous)
        if sha256 is not None:
            raise no_folder_hash(bucket.shown(prefix))
        return PrefixTree(bucket, prefix, cache, meter)
    file = remote_file(address, source.endpoint_url, source.anonymous)
    maybe = _is_zip(file.name)
    held = hold(file, cache, meter, sha256, parts=maybe is not False and sha256 is None)
    shown = show(address)
    if maybe or (maybe is None and held.read(0, 2) == b"PK"):
        return open_remote_zip(held, shown)
    return FileTree(file.name, shown, held.whole, meter)


def _local(path: Path, shown: str) -> Tree:
    if path.is_dir():
        return FolderTree(path, shown)
    maybe = _is_zip(path.name)
    if maybe is None:
        with path.open("rb") as file:
            maybe = file.read(2) == b"PK"
    return ZipTree(path, shown) if maybe else FileTree(path.name, shown, lambda: path)


def _is_zip(name: str) -> bool | None:
    """Whether a file is a ZIP, by its suffix; None: it has none."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix == ".zip" if suffix else None
