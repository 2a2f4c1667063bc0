"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import s3
from tests.s3 import S3Server
from tests.web import WebServer

ROOT = Path(__file__).resolve().parent.parent

# Files that take longest begin first, so that no process of several is left with one of them at the end.
_LONGEST = ("test_kills.py", "test_processes.py", "test_pipeline.py", "test_real.py", "test_families.py")


def pytest_configure() -> None:
    """Give each of several test processes a core of its own: what they start would use all of them at once."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real footage that REAL_DATA names; tests are skipped where it is absent."""
    folder = Path(os.environ.get("REAL_DATA", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is absent (set REAL_DATA)")
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server on loopback, see `S3Server`; tests make buckets of their own, and change files in them.

    It looks at the disk for every answer, and never finishes an upload: `s3_remote` is for those.
    """
    server = s3.start(tmp_path_factory.mktemp("s3"), "--dir-cache-time", "0s")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server on loopback that takes uploads, with a bucket `skyward`."""
    root = tmp_path_factory.mktemp("s3-remote")
    (root / "skyward").mkdir()
    server = s3.start(root)
    yield server
    server.stop()


@pytest.fixture
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A web server on loopback, see `WebServer`."""
    web = WebServer(tmp_path_factory.mktemp("web"))
    server = web.start()
    yield web
    server.shutdown()
    server.server_close()
