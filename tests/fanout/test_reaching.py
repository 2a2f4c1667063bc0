"""stages/fanout/reaching.py and what a stage says: Ray addresses at which no cluster answers."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from stored_project import run, write_project

from stages.errors import InputError
from stages.fanout import reaching


@pytest.fixture
def listener():
    """A socket on loopback that takes connections, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:x", "head:0", "head:70000", "http://head"])
def test_no_address(address):
    with pytest.raises(InputError, match=r"evaluation\.address: no address of a Ray cluster"):
        reaching.require_answer(address, "evaluation.address")


def test_nothing_listens(listener):
    server, address = listener
    server.close()
    with pytest.raises(InputError, match=rf"no Ray cluster answers at {address} \(connection refused\)"):
        reaching.require_answer(address, "place")


def test_silence(listener, monkeypatch):
    monkeypatch.setattr(reaching, "PATIENCE", 0.2)
    with pytest.raises(InputError, match=rf"no Ray cluster answers at ray://{listener[1]} \(no answer\)"):
        reaching.require_answer(f"ray://{listener[1]}", "place")


@pytest.mark.parametrize(
    ("said", "good"),
    [(bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)), True), (b"\x15\x03\x03", True), (b"HTTP/1.1 400", False), (b"", False)],
)
def test_what_answers(said, good, listener):
    server, address = listener

    def answer():
        connection, _ = server.accept()
        with connection:
            connection.recv(64)
            connection.sendall(said)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        if good:
            reaching.require_answer(address, "place")
        else:
            with pytest.raises(InputError, match="is no Ray cluster"):
                reaching.require_answer(address, "place")
    finally:
        thread.join()


def test_a_stage_says_it_in_one_line_and_soon(tmp_path, monkeypatch, listener):
    server, address = listener
    server.close()
    monkeypatch.chdir(tmp_path)
    write_project(evaluation={"engine": "ray", "address": address.replace("127.0.0.1", "localhost")})
    start = time.monotonic()
    done = run("track", "stage1", "bytetrack")
    assert time.monotonic() - start < 15
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: params.yaml: evaluation.address: no Ray cluster answers at ")
    assert done.stderr.count("\n") == 1
    assert list(Path("data/tracks/stage1").iterdir()) == []
