"""What a ZIP may not hold, by what its directory says: one check for archives here and far away."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stages.errors import InputError
from stages.transport.fetch import is_safe

if TYPE_CHECKING:
    from stages.transport.tree import Tree

# Frames hardly compress, annotations up to fiftyfold; deflate reaches a thousandfold only with made-up content.
_RATIO = 100
_FREE = 64 << 20  # bytes that a member may always unpack to

_LOCAL = 30  # bytes of a local header, at least
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that unpack in bounded memory


def check_members(items: list[zipfile.ZipInfo], end: int, tree: Tree) -> None:
    """Refuse members that lead out of the archive, stand twice, or are far more than they seem.

    ``end`` is where the directory begins, ``tree`` gives a member's place for the message. Raises `InputError`.
    """
    for item in items:
        if what := _wrong(item):
            raise InputError(tree.where(item.filename), what, "pack the archive again without it")
        if item.file_size > _FREE + _RATIO * item.compress_size:
            raise _bomb(tree.where(item.filename), f"{item.compress_size} bytes that unpack to {item.file_size}")
    _refuse_twins((item.filename for item in items if not item.is_dir()), tree)
    _refuse_overlaps(items, end, tree)
    packed, unpacked = sum(item.compress_size for item in items), sum(item.file_size for item in items)
    if unpacked > _FREE + _RATIO * packed:
        raise _bomb(tree.where(""), f"{packed} bytes that unpack to {unpacked}")


def _wrong(item: zipfile.ZipInfo) -> str | None:
    if not is_safe(item.orig_filename):
        return "the member's path leads out of the archive"
    if stat.S_ISLNK(item.external_attr >> 16):
        return "the member is a symbolic link"
    if item.flag_bits & 1:
        return "the member is encrypted"
    if item.compress_type not in _METHODS:
        return "the member is neither stored nor deflated"
    return None


def _refuse_twins(names: Iterable[str], tree: Tree) -> None:
    """Two members of one name hide one another; names that differ by case do so on some file systems."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            what = "stands twice" if other == name else f"differs from {other} by case only"
            raise InputError(tree.where(name), f"the member {what}", "pack the archive again without one of the two")


def _refuse_overlaps(items: list[zipfile.ZipInfo], end: int, tree: Tree) -> None:
    """Members that share bytes make a small archive unpack to anything."""
    ordered = sorted(items, key=lambda item: item.header_offset)
    for item, after in zip(ordered, [*(item.header_offset for item in ordered[1:]), end], strict=True):
        if item.header_offset < 0 or item.header_offset + _LOCAL + item.compress_size > after:
            raise _bomb(tree.where(item.filename), "shares bytes with what follows it")


def _bomb(where: str, what: str) -> InputError:
    return InputError(where, f"{what}: a ZIP bomb", "get the archive from a source that you trust")
