"""Opens what a source's `path` names as one tree of files."""

from __future__ import annotations

from stages.params import FileSource
from stages.transport.fetch import expand, fetch
from stages.transport.remote import show
from stages.transport.tree import FolderTree, Tree, ZipTree


def open_tree(source: FileSource) -> Tree:
    """All of ``source.path`` as one tree; raises `InputError`."""
    address, sha256 = source.paths[0], source.hashes[0]
    path = fetch(address, sha256=sha256, endpoint_url=source.endpoint_url, anonymous=source.anonymous)
    shown = show(expand(address))
    return FolderTree(path, shown) if path.is_dir() else ZipTree(path, shown)
