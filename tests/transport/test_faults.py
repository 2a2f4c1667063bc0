"""Remote ZIPs from a server that misbehaves, and fetching that is killed or done twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.transport import ranges, remote, retry
from stages.transport.open import open_tree
from stages.transport.ranges import Ranges
from tests.archives import MAGIC, SECRET, Packed, assert_cache_is_right, check, journaled, opened, source
from tests.footage import ROOT
from tests.web import Fault, WebServer

# --- faults: a clear line, or what is right

FAULTS: dict[str, tuple[Fault, str | None]] = {
    "500 once": (Fault("500", 2, 1), None),
    "500 at first": (Fault("500", 0, 2), None),
    "502 for long": (Fault("502", 3, 3), None),
    "429 once": (Fault("429", 2, 1), None),
    "500 always": (Fault("500"), "the server fails (500"),
    "503 from the second": (Fault("503", 1), "the server fails (503"),
    "403": (Fault("403"), "forbidden (403"),
    "403 midway": (Fault("403", 3), "forbidden (403"),
    "404": (Fault("404"), "missing (404"),
    "404 midway": (Fault("404", 3), "missing (404"),
    "416 always": (Fault("416"), "the server refuses the range (416"),
    "416 midway": (Fault("416", 3), "the server refuses the range (416"),
    "418": (Fault("418"), "the server refuses (418"),
    "redirect loop": (Fault("loop"), "more than 10 redirects"),
    "closes mid-body once": (Fault("close", 2, 1), None),
    "closes mid-body always": (Fault("close", 3), "the connection broke off"),
    "too few bytes once": (Fault("few", 2, 1), None),
    "too few bytes always": (Fault("few", 3), "the connection broke off"),
    "too many bytes": (Fault("many", 3), "the server sends"),
    "stalls once": (Fault("stall", 2, 1), None),
    "stalls always": (Fault("stall", 1), "silent for 0.5 seconds"),
    "another range": (Fault("other range", 2), "another range than was asked for"),
    "changes midway": (Fault("changed", 3), "the file changed while it was being fetched"),
    "whole file midway": (Fault("whole", 3), "the server sends the whole file when asked for a range"),
    "no HTTP once": (Fault("garbage", 2, 1), None),
    "no HTTP at all": (Fault("garbage"), "the connection broke off"),
}
S3_WORDS = {"redirect loop": "302"}


ON_S3 = ("500 once", "500 always", "403 midway", "404", "416 midway", "redirect loop", "closes mid-body once")
ON_S3 += ("too few bytes always", "too many bytes", "stalls once", "stalls always", "another range", "changes midway")


@pytest.mark.parametrize(("name", "kind"), [(name, "http") for name in FAULTS] + [(name, "s3") for name in ON_S3])
def test_faults(server: WebServer, packed: Packed, project: Path, capsys: pytest.CaptureFixture, name: str, kind: str):
    server.fault, words = FAULTS[name]
    paths = packed.frames(3)
    if words is None:
        tree = opened(server, kind)
        tree.fetch(paths)
        check(tree, packed, paths)
    else:
        words = S3_WORDS.get(name, words) if kind == "s3" else words
        with pytest.raises(InputError) as caught:
            opened(server, kind).fetch(paths)
        line = str(caught.value)
        assert words in line and "\n" not in line and line.count(": ") >= 2
        assert SECRET not in line
    assert_cache_is_right(project, packed)
    server.fault = None
    tree = opened(server, kind)
    tree.fetch(paths)
    check(tree, packed, paths)
    assert_cache_is_right(project, packed)
    assert capsys.readouterr() == ("", "")


def test_broken_answer_goes_on_where_it_broke_off(server: WebServer, packed: Packed, monkeypatch):
    monkeypatch.setattr(ranges, "PIECE", 4 << 20)
    tree = opened(server)
    server.forget()
    server.fault = Fault("close", 0, 2)
    tree.fetch(packed.frames(6))
    check(tree, packed, packed.frames(6))
    assert server.sent - tree.traffic.bytes_needed <= 2 * remote.CHUNK + MAGIC
    assert len(server.asked) == 3


@pytest.mark.parametrize(("said", "waited"), [("7", 7.0), ("3600", retry.LONGEST), ("soon", 0.1), ("", 0.1)])
def test_server_says_how_long_to_wait(
    server: WebServer, packed: Packed, monkeypatch: pytest.MonkeyPatch, said: str, waited: float
):
    pauses: list[float] = []
    monkeypatch.setattr(retry, "PAUSES", (0.1, 0.2))
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    server.retry_after, server.answers = said, [503]
    opened(server)
    assert [pause for pause in pauses if pause] == [waited]  # the server does not pause


def test_member_that_is_torn_here_is_fetched_again(server: WebServer, packed: Packed, project: Path):
    paths = packed.frames(1)
    opened(server).fetch(paths)
    [path] = project.rglob("big.zip")
    with path.open("r+b") as file:
        file.seek(packed.path.read_bytes().index(packed.members[paths[3]]) + 100)
        file.write(b"torn")
    server.forget()
    tree = opened(server)
    check(tree, packed, paths)
    assert tree.traffic.files == 1
    assert_cache_is_right(project, packed)


def test_directory_that_is_torn_here_is_fetched_again(server: WebServer, packed: Packed, project: Path):
    opened(server).fetch(packed.frames(1))
    [path] = project.rglob("big.zip")
    with path.open("r+b") as file:
        file.seek(packed.directory + 1000)
        file.write(bytes(500))
    check(opened(server), packed, packed.frames(1))


def test_member_that_is_broken_there_is_an_error(http_server: WebServer, packed: Packed):
    content = bytearray(packed.path.read_bytes())
    content[packed.path.read_bytes().index(packed.members["s03/img1/000004.jpg"]) + 100] ^= 1
    (http_server.root / "in.zip").write_bytes(content)
    tree = open_tree(source(http_server.address("in.zip")))
    tree.fetch(packed.frames(4))
    with pytest.raises(InputError, match=r"in\.zip: s03/img1/000004\.jpg: the member is broken"):
        tree.read("s03/img1/000004.jpg")
    check(tree, packed, packed.frames(3))


# --- kills, and two at once

FETCH = """
import sys
from stages.params import MotChallengeSource
from stages.transport.open import open_tree
source = MotChallengeSource(format="motchallenge", path=sys.argv[1], classes={"pedestrian": "person"})
tree = open_tree(source)
tree.fetch(tree.files())
print(tree.traffic.bytes_fetched)
"""


def started(server: WebServer, project: Path) -> subprocess.Popen:
    """A process that fetches all members, a few bytes at a time."""
    command = [sys.executable, "-c", FETCH, server.address("bucket/big.zip")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def settle(server: WebServer) -> None:
    """Wait until the server has noticed that nobody listens."""
    sent = -1
    while sent != server.sent:
        sent = server.sent
        time.sleep(0.3)


def test_kill_loses_only_what_was_in_flight(server: WebServer, packed: Packed, project: Path):
    server.rate = 250_000.0
    fetched = Ranges()
    for _ in range(3):
        server.forget()
        process = started(server, project)
        while server.sent < 2_000_000 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        settle(server)
        [path] = project.rglob("big.zip")
        asked = [span for span in server.ranges if span != (0, MAGIC)]
        assert [span for span in asked if Ranges(fetched.spans).missing(*span) != [span]] == []  # none twice
        fetched = Ranges(journaled(path))
        assert fetched.total > 500_000
        assert_cache_is_right(project, packed)
    server.forget()
    server.rate = 0.0
    tree = opened(server)
    tree.fetch(tree.files())
    assert server.sent == packed.size - fetched.total + MAGIC
    check(tree, packed, list(packed.members))


def test_two_processes_fetch_it_once(server: WebServer, packed: Packed, project: Path):
    server.rate = 1_000_000.0
    processes = [started(server, project) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert server.sent == packed.size + 2 * MAGIC
    assert sum(int(out) for out, _ in outputs) == packed.size
    assert_cache_is_right(project, packed)
