from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.transport import cache, retry
from stages.transport.fetch import cache_folder, expand, fetch, is_safe
from tests.s3 import S3Server, credentials, free_port
from tests.web import WebServer

CONTENT = b"frames and boxes" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retry, "PAUSES", (0.0, 0.0))


@pytest.fixture
def keys(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the right keys in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


def nothing_half_written(folder: Path) -> bool:
    return not list(folder.rglob("*.partial"))


# --- local paths


def test_local_path_is_returned_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a b.zip"
    file.write_bytes(CONTENT)
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for address in (str(file), "$PLACE/a b.zip", "${PLACE}/a b.zip", "~/a b.zip"):
        assert fetch(address, tmp_path / "cache", sha256=SHA256) == file
    assert not (tmp_path / "cache").exists()


def test_undefined_variable_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(InputError, match=r"^\$NOWHERE/x: the environment variable NOWHERE is not set: run `export"):
        expand("$NOWHERE/x")


def test_relative_path_is_found_from_the_main_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "main").mkdir()
    (tmp_path / "main/w.pt").write_bytes(CONTENT)
    (tmp_path / "temp").mkdir()
    monkeypatch.chdir(tmp_path / "temp")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert fetch("w.pt", "cache") == tmp_path / "main/w.pt"
    assert cache_folder() == tmp_path / "main/.skyward/fetched"


@pytest.mark.parametrize(
    ("address", "sha256", "words"),
    [
        ("{0}/absent", None, "no such file or folder"),
        ("{0}/w.pt", "ab" * 32, f"sha256 starts {SHA256[:12]}, not abababababab"),
        ("{0}", SHA256, "a folder has no sha256"),
        ("ftp://host/w.pt", None, "`ftp://` is not spoken here"),
        ("http://example.com/w.pt", None, "not encrypted"),
        ("https://user:hunter2@localhost/w.pt", None, "a user name or password stands in the address"),
        ("s3://bucket", None, "no bucket or no key"),
        ("s3://bucket/prefix/", None, "a prefix is no file"),
    ],
)
def test_bad_addresses(tmp_path: Path, address: str, sha256: str | None, words: str):
    (tmp_path / "w.pt").write_bytes(CONTENT)
    with pytest.raises(InputError) as caught:
        fetch(address.format(tmp_path), tmp_path / "cache", sha256=sha256)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "safe"),
    [
        ("a/b", True),
        ("a..b/c", True),
        ("../a", False),
        ("a/../b", False),
        ("/a", False),
        ("C:/a", False),
        ("a\\b", False),
    ],
)
def test_is_safe(member: str, safe: bool):
    assert is_safe(member) is safe


# --- HTTP


def test_file_with_its_sha256_is_fetched_once(http_server: WebServer, tmp_path: Path):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    paths = [fetch(http_server.address("w.pt?Signature=1"), tmp_path, sha256=SHA256) for _ in range(2)]
    assert paths[0] == paths[1] and paths[0].name == "w.pt"
    assert paths[0].read_bytes() == CONTENT
    assert http_server.asked == ["/w.pt?Signature=1"] * 2  # which version there is, and the file


def test_spoiled_cache_is_mended(http_server: WebServer, tmp_path: Path):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    path = fetch(http_server.address("w.pt"), tmp_path, sha256=SHA256)
    path.write_bytes(b"spoiled")
    assert fetch(http_server.address("w.pt"), tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_file_that_changed_there_is_fetched_anew(http_server: WebServer, tmp_path: Path):
    file = http_server.root / "in.zip"
    file.write_bytes(b"one")
    first = fetch(http_server.address("in.zip"), tmp_path)
    assert fetch(http_server.address("in.zip"), tmp_path) == first
    file.write_bytes(b"two")  # the same size
    assert fetch(http_server.address("in.zip"), tmp_path).read_bytes() == b"two"


def test_wrong_sha256_leaves_nothing(http_server: WebServer, tmp_path: Path):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    with pytest.raises(InputError, match=f"sha256 starts {SHA256[:12]}, not 000000000000"):
        fetch(http_server.address("w.pt"), tmp_path, sha256="0" * 64)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("trouble", ["short", "status"])
def test_failure_that_passes_is_outlived(http_server: WebServer, tmp_path: Path, trouble: str):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    if trouble == "short":
        http_server.short = 2
    else:
        http_server.answers = [503, 500]
    assert fetch(http_server.address("w.pt"), tmp_path).read_bytes() == CONTENT
    assert len(http_server.asked) == 4


def test_server_without_ranges_gives_one_plain_download(http_server: WebServer, tmp_path: Path, capsys):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    http_server.knows_ranges = False
    assert fetch(http_server.address("w.pt"), tmp_path).read_bytes() == CONTENT
    assert http_server.sent == len(CONTENT) and len(http_server.asked) == 1
    assert fetch(http_server.address("w.pt"), tmp_path).read_bytes() == CONTENT
    assert len(http_server.asked) == 2  # which version there is
    assert capsys.readouterr().err == ""


def test_server_that_names_no_version_is_asked_for_all_every_time(http_server: WebServer, tmp_path: Path):
    http_server.names_versions = False
    for content in (b"one", b"two"):
        (http_server.root / "w.pt").write_bytes(content)
        assert fetch(http_server.address("w.pt"), tmp_path).read_bytes() == content


@pytest.mark.parametrize("ranges", [True, False])
def test_empty_file(http_server: WebServer, tmp_path: Path, ranges: bool):
    (http_server.root / "none.txt").write_bytes(b"")
    http_server.knows_ranges = ranges
    assert fetch(http_server.address("none.txt"), tmp_path).read_bytes() == b""


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([403], "forbidden (403)"),
        ([401], "forbidden (401)"),
        ([404], "missing (404)"),
        ([503] * 3, "the server fails (503)"),
        ([418], "the server refuses (418)"),
    ],
)
def test_http_errors_say_no_query(http_server: WebServer, tmp_path: Path, answers: list[int], words: str):
    http_server.answers = list(answers)
    with pytest.raises(InputError) as caught:
        fetch(http_server.address("in.zip?X-Amz-Signature=hunter2"), tmp_path)
    assert str(caught.value).startswith(f"{http_server.address('in.zip')}: {words}: ")
    assert "hunter2" not in str(caught.value)
    assert nothing_half_written(tmp_path)


def test_broken_off_for_good(http_server: WebServer, tmp_path: Path):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    http_server.short = 3
    with pytest.raises(InputError, match="the connection broke off"):
        fetch(http_server.address("w.pt"), tmp_path)
    assert nothing_half_written(tmp_path)


def test_redirects_are_followed_but_not_into_the_open(http_server: WebServer, tmp_path: Path):
    (http_server.root / "w.pt").write_bytes(CONTENT)
    http_server.redirects = {"/a": http_server.address("w.pt"), "/b": "http://example.com/w.pt"}
    assert fetch(http_server.address("a"), tmp_path).read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"http://example.com/w.pt: not encrypted"):
        fetch(http_server.address("b"), tmp_path)


def test_unreachable_and_unknown_hosts(tmp_path: Path):
    with pytest.raises(InputError, match="unreachable server"):
        fetch(f"http://127.0.0.1:{free_port()}/w.pt", tmp_path)
    with pytest.raises(InputError, match="no such host"):
        fetch("https://nowhere.invalid/w.pt", tmp_path)


def test_full_disk_names_the_file(http_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (http_server.root / "w.pt").write_bytes(CONTENT)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "pwrite", full)
    with pytest.raises(InputError, match=r"/w\.pt: no space left for http://127"):
        fetch(http_server.address("w.pt"), tmp_path)
    assert nothing_half_written(tmp_path)


# --- S3


def test_s3_object(keys: S3Server, tmp_path: Path):
    (keys.bucket("weights") / "w.pt").write_bytes(CONTENT)
    for sha256 in (SHA256, None):
        path = fetch("s3://weights/w.pt", tmp_path, sha256=sha256, endpoint_url=keys.endpoint_url)
        assert path.name == "w.pt" and path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("key", "words"),
    [("absent.pt", "missing (404 NoSuchKey)"), ("absent/", "a prefix is no file")],
)
def test_s3_missing(keys: S3Server, tmp_path: Path, key: str, words: str):
    keys.bucket("weights")
    with pytest.raises(InputError) as caught:
        fetch(f"s3://weights/{key}", tmp_path, endpoint_url=keys.endpoint_url)
    assert str(caught.value).startswith(f"s3://weights/{key} at {keys.endpoint_url}: {words}")


@pytest.mark.parametrize(
    ("access_key", "anonymous", "words"),
    [
        ("someone", False, "forbidden (403 InvalidAccessKeyId): check AWS_ACCESS_KEY_ID"),
        ("", False, "no credentials: set AWS_ACCESS_KEY_ID"),
        ("", True, "forbidden (400 UnsupportedAlgorithm): set `anonymous: false`"),
    ],
)
def test_s3_refuses(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access_key: str, anonymous: bool, words: str
):
    (s3_server.bucket("weights") / "w.pt").write_bytes(CONTENT)
    for name, value in credentials(access_key, "hunter2" if access_key else "").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        fetch("s3://weights/w.pt", tmp_path, endpoint_url=s3_server.endpoint_url, anonymous=anonymous)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert nothing_half_written(tmp_path)


def test_s3_anonymous_is_not_signed(http_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in credentials("", "").items():
        monkeypatch.setenv(name, value)
    (http_server.root / "weights").mkdir()
    (http_server.root / "weights/w.pt").write_bytes(CONTENT)
    path = fetch("s3://weights/w.pt", tmp_path, endpoint_url=http_server.address("")[:-1], anonymous=True)
    assert path.read_bytes() == CONTENT
    assert http_server.asked == ["/weights/w.pt"] * 2
    assert "Authorization" not in http_server.headers[0]
