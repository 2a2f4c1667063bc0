"""Hostile and broken ZIPs, here and far away."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.transport.open import open_tree
from tests.archives import source
from tests.web import WebServer

Spoil = Callable[[zipfile.ZipFile], None]


def member(name: str, content: bytes = b"x", mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Spoil:
    """Add a member."""

    def add(archive: zipfile.ZipFile) -> None:
        item = zipfile.ZipInfo(name)
        item.external_attr, item.compress_type = mode << 16, method
        archive.writestr(item, content)

    return add


def twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        member("walk/gt.txt", b"other")(archive)


def encrypted(archive: zipfile.ZipFile) -> None:
    member("walk/secret.txt")(archive)
    archive.filelist[-1].flag_bits |= 1


def overlapping(archive: zipfile.ZipFile) -> None:
    member("walk/a.txt")(archive)
    member("walk/b.txt")(archive)
    archive.filelist[-1].header_offset = archive.filelist[-2].header_offset


HOSTILE: dict[str, tuple[Spoil, str]] = {
    "traversal": (member("walk/../../evil.txt"), "walk/../../evil.txt: the member's path leads out of the archive"),
    "absolute": (member("/etc/evil.txt"), "/etc/evil.txt: the member's path leads out of the archive"),
    "drive": (member("C:/evil.txt"), "leads out"),
    "back-slash": (member("walk\\..\\evil.txt"), "leads out"),
    "symlink": (member("walk/link", b"/etc/passwd", stat.S_IFLNK | 0o777), "walk/link: the member is a symbolic link"),
    "encrypted": (encrypted, "walk/secret.txt: the member is encrypted"),
    "twice": (twice, "walk/gt.txt: the member stands twice"),
    "case": (member("Walk/GT.txt"), "Walk/GT.txt: the member differs from walk/gt.txt by case only"),
    "lzma": (member("walk/a.txt", method=zipfile.ZIP_LZMA), "walk/a.txt: the member is neither stored nor deflated"),
    "declared bomb": (member("walk/zeros.txt", bytes(100 << 20)), "that unpack to 104857600: a ZIP bomb"),
    "overlapping bomb": (overlapping, "shares bytes with what follows it: a ZIP bomb"),
}


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_zip(http_server: WebServer, project: Path, name: str, remote: bool):
    spoil, words = HOSTILE[name]
    with zipfile.ZipFile(http_server.root / "in.zip", "w") as archive:
        archive.writestr("walk/gt.txt", "1,1,5,5,5,5,1,1,1\n")
        spoil(archive)
    with pytest.raises(InputError) as caught:
        open_tree(source(http_server.address("in.zip") if remote else str(http_server.root / "in.zip")))
    assert f"in.zip: {words}" in str(caught.value) or words in str(caught.value)


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("real", "declared", "summed", "words"),
    [
        (5_000_000, 1000, 1000, "walk/gt.txt: the member is broken"),
        (5_000_000, 1000, 1001, "walk/gt.txt: unpacks to more than the 1000 bytes that it declares: a ZIP bomb"),
        (1000, 2000, 1000, "walk/gt.txt: the member is broken"),
    ],
)
def test_member_is_not_of_the_size_that_it_declares(
    http_server: WebServer, project: Path, real: int, declared: int, summed: int, words: str, remote: bool
):
    path = http_server.root / "in.zip"
    content = bytes(real)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("walk/gt.txt", content)
    item = archive.getinfo("walk/gt.txt")
    sizes = struct.pack("<LLL", item.CRC, item.compress_size, real)
    lie = struct.pack("<LLL", zlib.crc32(content[:summed]), item.compress_size, declared)
    assert path.read_bytes().count(sizes) == 2  # in the local header and in the directory
    path.write_bytes(path.read_bytes().replace(sizes, lie))
    tree = open_tree(source(http_server.address("in.zip") if remote else str(path)))
    for read in (tree.read, tree.open):
        with pytest.raises(InputError, match=words):
            read("walk/gt.txt")


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("lost", [1, 30, 200, 5000])
def test_truncated_directory(http_server: WebServer, project: Path, lost: int, remote: bool):
    path = http_server.root / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(200):
            archive.writestr(f"walk/{number}", b"x")
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match=r"in\.zip: neither a folder nor a whole ZIP archive: fetch or pack"):
        open_tree(source(http_server.address("in.zip") if remote else str(path)))


@pytest.mark.parametrize("remote", [False, True])
def test_hole_in_the_directory(http_server: WebServer, project: Path, remote: bool):
    path = http_server.root / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(200):
            archive.writestr(f"walk/{number}", b"x")
    content = bytearray(path.read_bytes())
    content[archive.start_dir + 1000 : archive.start_dir + 1500] = bytes(500)
    path.write_bytes(content)
    with pytest.raises(InputError, match="neither a folder nor a whole ZIP archive"):
        open_tree(source(http_server.address("in.zip") if remote else str(path)))


def test_empty_remote_file_is_no_archive(http_server: WebServer, project: Path):
    (http_server.root / "in.zip").write_bytes(b"")
    with pytest.raises(InputError, match="neither a folder nor a whole ZIP archive"):
        open_tree(source(http_server.address("in.zip")))


def test_missing_member_and_hidden_ones(project: Path):
    with zipfile.ZipFile("in.zip", "w") as archive:
        for name in ("__MACOSX/walk/._gt.txt", "walk/.DS_Store", "walk/gt.txt", "walk/deep/a.txt"):
            archive.writestr(name, b"x")
        archive.mkdir("walk/empty")
    tree = open_tree(source("in.zip"))
    assert (tree.files(), tree.names("walk"), tree.names("none")) == (
        ["walk/deep/a.txt", "walk/gt.txt"],
        ["gt.txt"],
        [],
    )
    with pytest.raises(InputError, match=r"in\.zip: walk/none\.txt: no such file"):
        tree.read("walk/none.txt")
