"""Members of remote ZIPs, from a server that counts."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.transport.open import open_tree
from stages.transport.progress import Traffic
from tests.archives import MAGIC, Packed, check, opened, source
from tests.s3 import S3Server
from tests.web import WebServer

# --- what travels


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_only_what_is_taken_travels(server: WebServer, packed: Packed, kind: str):
    tree = opened(server, kind)
    assert tree.files() == sorted(packed.members)
    paths = packed.frames(1)
    tree.fetch(paths)
    check(tree, packed, paths)
    assert server.sent / packed.least(paths) <= 1.05  # 5% of the archive
    traffic = tree.traffic
    assert traffic.files == 30 and traffic.requests == len(server.asked)
    assert traffic.bytes_fetched == server.sent - MAGIC
    assert 1 <= traffic.bytes_fetched / traffic.bytes_needed <= 1.03
    assert len(server.asked) < 10  # neighbours travel together


def test_scattered_frames_of_a_stride(server: WebServer, packed: Packed):
    paths = [path for path in packed.frames(20) if int(path[-10:-4]) % 5 == 1]
    tree = opened(server)
    tree.fetch(paths)
    check(tree, packed, paths)
    assert server.sent / packed.least(paths) <= 1.05


def test_more_of_it_fetches_the_difference_and_less_nothing(server: WebServer, packed: Packed):
    opened(server).fetch(packed.frames(2))
    server.forget()
    tree = opened(server)
    tree.fetch(packed.frames(3))
    more = [path for path in packed.frames(3) if path not in packed.frames(2)]
    assert tree.traffic.files == 30
    assert server.sent <= 1.03 * sum(len(packed.members[path]) + 100 for path in more)
    server.forget()
    tree = opened(server)
    tree.fetch(packed.frames(1))
    check(tree, packed, packed.frames(3))
    assert (server.sent, tree.traffic) == (MAGIC, Traffic(requests=1))


def test_members_that_were_not_asked_for_in_advance_are_fetched_when_read(server: WebServer, packed: Packed):
    tree = opened(server)
    check(tree, packed, ["s07/gt/gt.txt"])
    with tree.open("s08/gt/gt.txt") as file:
        assert file.read() == packed.members["s08/gt/gt.txt"]
    assert tree.traffic.files == 2


def test_connections_are_kept(server: WebServer, packed: Packed):
    tree = opened(server)
    for sequence in range(20):
        tree.read(f"s{sequence:02d}/gt/gt.txt")
    assert len(server.asked) > 20 and server.connections <= 2


def test_archive_with_a_comment_and_zip64(http_server: WebServer):
    with zipfile.ZipFile(http_server.root / "in.zip", "w") as archive:
        archive.comment = b"made by hand" * 2000
        with archive.open("a/large.txt", "w", force_zip64=True) as member:
            member.write(b"large")
        for number in range(66_000):  # more than 65535 make it a ZIP64
            archive.writestr(f"b/{number}", b"")
    tree = open_tree(source(http_server.address("in.zip")))
    assert len(tree.files()) == 66_001 and tree.read("a/large.txt") == b"large"


def test_whole_with_its_sha256(server: WebServer, packed: Packed, project: Path):
    sha256 = hashlib.sha256(packed.path.read_bytes()).hexdigest()
    for sent in (packed.size + MAGIC, 0):
        server.forget()
        tree = open_tree(source(server.address("bucket/big.zip"), sha256=sha256))
        check(tree, packed, packed.frames(1))
        assert server.sent == sent
    assert tree.traffic == Traffic()
    with pytest.raises(InputError, match=f"sha256 starts {sha256[:12]}, not 000000000000"):
        open_tree(source(server.address("bucket/big.zip"), sha256="0" * 64))
    assert len(list(project.rglob("big.zip"))) == 1  # of the right hash


def test_server_without_ranges(server: WebServer, packed: Packed, capsys: pytest.CaptureFixture):
    server.knows_ranges = False
    tree = opened(server)
    paths = packed.frames(1)
    tree.fetch(paths)
    check(tree, packed, paths)
    assert server.sent == packed.size and len(server.asked) == 1
    traffic = tree.traffic
    assert (traffic.files, traffic.bytes_fetched) == (30, packed.size)
    assert 1 <= traffic.bytes_needed / packed.least(paths) < 1.1
    tree.close()
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {server.address('bucket/big.zip')}: the server sends no parts of a file: all of it is fetched",
        f"fetched 30 files, {packed.size / 1e6:.1f} MB",
    ]
    server.forget()
    tree = opened(server)
    check(tree, packed, packed.frames(2))
    assert tree.traffic == Traffic(requests=1)
    assert capsys.readouterr().err == ""


def test_fresh_signature_finds_what_is_here(server: WebServer, packed: Packed):
    open_tree(source(server.address("bucket/big.zip?X-Amz-Signature=one"))).fetch(packed.frames(1))
    server.forget()
    tree = open_tree(source(server.address("bucket/big.zip?X-Amz-Signature=two")))
    check(tree, packed, packed.frames(1))
    assert server.sent == MAGIC


def test_redirects_are_followed_once(server: WebServer, packed: Packed):
    server.redirects = {"/latest.zip": "/bucket/big.zip?Signature=abc"}
    tree = open_tree(source(server.address("latest.zip")))
    tree.fetch(packed.frames(2))
    check(tree, packed, packed.frames(2))
    assert server.asked.count("/latest.zip") == 1


def test_summary_is_one_line(server: WebServer, packed: Packed, capsys: pytest.CaptureFixture):
    tree = opened(server)
    tree.fetch(packed.frames(2))
    tree.close()
    assert capsys.readouterr().err == f"fetched 60 files, {tree.traffic.bytes_fetched / 1e6:.1f} MB\n"


def test_bar_on_a_terminal(server: WebServer, packed: Packed, capsys: pytest.CaptureFixture, monkeypatch):
    import tqdm

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    made = tqdm.tqdm
    monkeypatch.setattr(tqdm, "tqdm", lambda **keys: made(**keys | {"delay": 0.0, "mininterval": 0.0}))
    tree = opened(server)
    tree.fetch(packed.frames(2))
    tree.close()
    shown = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert "60/60 files" in shown[-1] and "big.zip: 100%" in shown[-1] and "B/s" in shown[-1]
    assert "fetched" not in shown[-1]


# --- a real S3 server


def test_real_s3_by_key_and_by_signed_address(
    s3_server: S3Server, packed: Packed, monkeypatch: pytest.MonkeyPatch, project: Path
):
    import boto3
    from botocore.config import Config

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    (s3_server.bucket("archives") / "big.zip").write_bytes(packed.path.read_bytes())
    tree = open_tree(source("s3://archives/big.zip", endpoint_url=s3_server.endpoint_url))
    tree.fetch(packed.frames(1))
    check(tree, packed, packed.frames(1))
    assert tree.traffic.bytes_fetched / packed.least(packed.frames(1)) <= 1.05
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=s3_server.endpoint_url, config=config)
    fetched = []
    for seconds in (600, 700):
        wanted = {"Bucket": "archives", "Key": "big.zip"}
        address = client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds)
        assert "X-Amz-Signature" in address
        tree = open_tree(source(address))
        tree.fetch(packed.frames(2))
        check(tree, packed, packed.frames(2))
        fetched.append(tree.traffic.files)
    assert fetched == [60, 0]
    texts = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert not any(b"X-Amz" in text for text in texts)
