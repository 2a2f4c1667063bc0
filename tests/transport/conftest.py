"""Fixtures of the tests that fetch parts of an archive."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.transport import ranges, remote, retry, web
from tests.archives import Packed
from tests.s3 import credentials
from tests.web import WebServer


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """About 12 MB, stored."""
    chance, members = random.Random(0), {}
    for sequence in range(20):
        members[f"s{sequence:02d}/gt/gt.txt"] = b"1,1,5,5,5,5,1,1,1\n" * 20
        for frame in range(1, 31):
            members[f"s{sequence:02d}/img1/{frame:06d}.jpg"] = chance.randbytes(chance.randint(15_000, 25_000))
    path = tmp_path_factory.mktemp("packed") / "big.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return Packed(path, members, archive.start_dir)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, a server that is waited for only briefly, and requests small enough to be many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name, value in credentials("", "").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retry, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(remote, "TIMEOUT", 0.5)
    monkeypatch.setattr(ranges, "PIECE", 1 << 18)
    return tmp_path


@pytest.fixture
def server(http_server: WebServer, packed: Packed, project: Path) -> Iterator[WebServer]:
    """Serves the archive as `bucket/big.zip`."""
    (http_server.root / "bucket").mkdir()
    (http_server.root / "bucket/big.zip").symlink_to(packed.path)
    yield http_server
    web._pool.cache_clear()  # connections to a server that is gone
