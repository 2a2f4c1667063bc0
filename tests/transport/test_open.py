"""What a source's `path` may be: folders, ZIPs, single files and prefixes, alone and together."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.transport import prefix
from stages.transport.open import open_tree
from stages.transport.progress import Traffic
from tests.archives import source
from tests.s3 import S3Server
from tests.web import Fault, WebServer


@pytest.fixture
def keys(s3_server: S3Server, project: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the right keys in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, content in members.items():
            target.writestr(name.replace("__", "/") + ".txt", content)
    return path


def test_every_kind_of_path_in_one_tree(http_server: WebServer, keys: S3Server, project: Path):
    (project / "folder/walk").mkdir(parents=True)
    (project / "folder/walk/a.txt").write_bytes(b"a")
    archive(project / "local.zip", walk__b=b"b")
    (project / "notes.json").write_bytes(b"c")
    archive(http_server.root / "far.zip", walk__d=b"d")
    (http_server.root / "clip.mp4").write_bytes(b"e")
    bucket = keys.bucket("several")
    archive(bucket / "in.zip", park__f=b"f")
    (bucket / "loose/park").mkdir(parents=True, exist_ok=True)
    (bucket / "loose/park/g.txt").write_bytes(b"g")
    paths = ["folder", "local.zip", "notes.json", http_server.address("far.zip"), http_server.address("clip.mp4?s=1")]
    paths += ["s3://several/in.zip", "s3://several/loose/"]
    tree = open_tree(source(paths, endpoint_url=keys.endpoint_url))
    assert tree.files() == [
        "clip.mp4",
        "notes.json",
        "park/f.txt",
        "park/g.txt",
        "walk/a.txt",
        "walk/b.txt",
        "walk/d.txt",
    ]
    assert tree.names("walk") == ["a.txt", "b.txt", "d.txt"] and tree.names("") == ["clip.mp4", "notes.json"]
    before = tree.traffic.files
    tree.fetch(tree.files())
    assert (before, tree.traffic.files) == (0, 2)  # the ends of the two ZIPs hold all of them
    assert [tree.read(path) for path in tree.files()] == [b"e", b"c", b"f", b"g", b"a", b"b", b"d"]
    with tree.open("park/g.txt") as file:
        assert file.read() == b"g"
    assert tree.where("park/g.txt") == f"s3://several/loose/park/g.txt at {keys.endpoint_url}"
    assert tree.where("walk/b.txt") == "local.zip: walk/b.txt"
    assert tree.where("clip.mp4") == http_server.address("clip.mp4")
    assert tree.where("walk") == "folder/walk"
    with pytest.raises(InputError, match="no such file"):
        tree.read("walk/z.txt")


def test_same_path_in_two_names_both(project: Path):
    for name in ("one.zip", "two.zip"):
        archive(project / name, walk__a=b"a")
    with pytest.raises(InputError) as caught:
        open_tree(source(["one.zip", "two.zip"]))
    assert str(caught.value).startswith("two.zip: walk/a.txt: one.zip: walk/a.txt has the same path: ")


@pytest.mark.parametrize(("name", "files"), [("plain", ["plain"]), ("packed", ["walk/a.txt"])])
def test_file_without_a_suffix_is_known_by_its_content(http_server: WebServer, project: Path, name: str, files: list):
    (http_server.root / "plain").write_bytes(b"no archive")
    archive(http_server.root / "packed", walk__a=b"a")
    for path in (http_server.address(name), str(http_server.root / name)):
        assert open_tree(source(path)).files() == files


def test_local_paths_make_nothing_travel(project: Path, capsys: pytest.CaptureFixture):
    tree = open_tree(source(str(archive(project / "in.zip", a=b"a"))))
    tree.fetch(tree.files())
    tree.close()
    assert tree.traffic == Traffic() and capsys.readouterr().err == ""
    assert not (project / ".skyward").exists()


def _settled(count: Callable[[], int]) -> int:
    """A count of the server's, which notes an answer once it is sent: the client may have it before."""
    before = None
    while before != (now := count()):
        before = now
        time.sleep(0.3)
    return now


def test_single_remote_file_is_fetched_once_and_goes_on_after_a_failure(http_server: WebServer, project: Path):
    content = bytes(range(256)) * 8000  # 2 MB: eight requests, see `project`
    (http_server.root / "clip.mp4").write_bytes(content)
    http_server.fault = Fault("403", 5)
    with pytest.raises(InputError, match="forbidden"):
        open_tree(source(http_server.address("clip.mp4"))).read("clip.mp4")
    http_server.fault = None
    before = _settled(lambda: sum(end - start for start, end in http_server.ranges if end - start > 4))
    assert before > 0
    http_server.forget()
    tree = open_tree(source(http_server.address("clip.mp4")))
    assert tree.read("clip.mp4") == tree.read("clip.mp4") == content
    assert http_server.sent == len(content) - before + 4
    assert tree.traffic.files == 1


# --- prefixes


def test_prefix_is_listed_and_fetched_on_demand(keys: S3Server, project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefix, "PIECE", 1000)
    bucket = keys.bucket("frames")
    (bucket / "seq/img1").mkdir(parents=True, exist_ok=True)
    for frame in range(40):
        (bucket / f"seq/img1/{frame:02d}.jpg").write_bytes(bytes([frame]) * 100 * frame)  # none, small, large
    address = source("s3://frames/seq/", endpoint_url=keys.endpoint_url)
    tree = open_tree(address)
    assert tree.names("img1") == [f"{frame:02d}.jpg" for frame in range(40)]
    assert tree.traffic == Traffic(requests=1)
    tree.fetch(f"img1/{frame:02d}.jpg" for frame in range(20))
    size = sum(100 * frame for frame in range(20))
    assert tree.traffic == Traffic(size, size, 20, 1 + 19)
    (bucket / "seq/img1/03.jpg").write_bytes(b"new")
    (bucket / "seq/img1/04.jpg").unlink()
    tree = open_tree(address)
    assert [len(tree.read(f"img1/{frame:02d}.jpg")) for frame in (2, 3, 5, 30)] == [200, 3, 500, 3000]
    assert (tree.traffic.bytes_fetched, tree.traffic.files) == (3003, 2)
    with pytest.raises(InputError, match=r"frames/seq/img1/04\.jpg at http://127.*: no such file"):
        tree.read("img1/04.jpg")
    assert list(project.rglob("*.partial")) == []


def test_object_that_changes_after_the_listing(keys: S3Server):
    bucket = keys.bucket("moving")
    (bucket / "seq").mkdir(exist_ok=True)
    (bucket / "seq/a.txt").write_bytes(b"one")
    tree = open_tree(source("s3://moving/seq/", endpoint_url=keys.endpoint_url))
    (bucket / "seq/a.txt").write_bytes(b"two")
    with pytest.raises(InputError, match=r"moving/seq/a\.txt.*: the file changed while it was being fetched"):
        tree.read("a.txt")


@pytest.mark.parametrize(
    ("path", "keyed", "words"),
    [
        ("s3://weights/absent/", {}, "missing: no object under this prefix"),
        ("s3://weights/absent/", {"sha256": "0" * 64}, "a folder has no sha256"),
        ("s3://weights", {}, "no bucket or no key"),
        ("absent.zip", {}, "no such file or folder"),
        ("gopher://host/in.zip", {}, "is not spoken here"),
        ("https://user:hunter2@127.0.0.1/in.zip", {}, "a user name or password stands in the address"),
    ],
)
def test_bad_paths(keys: S3Server, path: str, keyed: dict, words: str):
    keys.bucket("weights")
    with pytest.raises(InputError) as caught:
        open_tree(source(path, endpoint_url=keys.endpoint_url, **keyed))
    assert words in str(caught.value) and "hunter2" not in str(caught.value)
