"""A ZIP of frames that a test server holds, and the tree that it is opened as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stages.params import MotChallengeSource
from stages.transport.open import open_tree
from stages.transport.ranges import Ranges
from stages.transport.tree import Tree
from tests.web import WebServer

MAGIC = 4  # bytes by which version and size are asked for
SECRET = "hunter2"


@dataclass(frozen=True)
class Packed:
    """An archive of 20 sequences with 30 frames each, and what is in it."""

    path: Path
    members: dict[str, bytes]
    directory: int  # where it begins

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def least(self, paths: list[str]) -> int:
        """Bytes that no reader could do without: the members' content and the directory."""
        return sum(len(self.members[path]) for path in paths) + self.size - self.directory

    def frames(self, sequences: int) -> list[str]:
        """The frames of the first sequences."""
        return [path for path in self.members if path.endswith(".jpg") and int(path[1:3]) < sequences]


def source(path: str | list[str], **keys: object) -> MotChallengeSource:
    filled = {"format": "motchallenge", "path": path, "classes": {"pedestrian": "person"}, **keys}
    return MotChallengeSource.model_validate(filled, strict=False)


def opened(server: WebServer, kind: str = "http") -> Tree:
    """The archive, by its signed address, or as an S3 object."""
    if kind == "http":
        return open_tree(source(server.address(f"bucket/big.zip?X-Amz-Signature={SECRET}")))
    return open_tree(source("s3://bucket/big.zip", endpoint_url=server.address("")[:-1], anonymous=True))


def check(tree: Tree, packed: Packed, paths: list[str]) -> None:
    assert [path for path in paths if tree.read(path) != packed.members[path]] == []


def assert_cache_is_right(project: Path, packed: Packed) -> None:
    """What the cache says to have is what the archive holds."""
    content = packed.path.read_bytes()
    assert list(project.rglob("*.partial")) == []
    for path in (project / ".skyward").rglob("big.zip"):
        held = path.read_bytes()
        assert len(held) == len(content)
        for start, end in journaled(path):
            assert held[start:end] == content[start:end]


def journaled(path: Path) -> list[tuple[int, int]]:
    """The spans that a file in the cache has; all of it without a journal."""
    journal = path.with_name(f"{path.name}.ranges")
    if not journal.exists():
        return [(0, path.stat().st_size)]
    lines = re.findall(r"^(\d+) (\d+) \d+\n", journal.read_text(), re.MULTILINE)
    return Ranges((int(start), int(end)) for start, end in lines).spans
