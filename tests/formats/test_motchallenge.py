from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from stages.errors import InputError
from stages.formats.groundtruth import Meaning, checked_gt
from stages.formats.incoming import Incoming, find_sequences
from stages.params import MotChallengeSource
from stages.sequences.annotations import parse_gt
from stages.transport.tree import FolderTree, Tree
from stages.transport.zips import ZipTree
from tests.footage import CLASSES, gt_text, pack, picture, write_sequence

ALL = range(1, 7)


def meaning(**keys: object) -> Meaning:
    filled = {"format": "motchallenge", "path": "in", "classes": CLASSES, "splits": {"test": 1.0}, **keys}
    source = MotChallengeSource.model_validate(filled, strict=False)
    return Meaning("footage", source, source.labels, ("person", "car"))


def tree_at(path: Path, shown: str = "") -> Tree:
    return FolderTree(path, shown or path.name) if path.is_dir() else ZipTree(path, shown or path.name)


def read(path: Path, **keys: object) -> Incoming:
    """Read the one sequence at ``path``."""
    [entry] = find_sequences(tree_at(path), meaning(**keys).source).entries.values()
    return entry.read()


def check(found: Incoming, **keys: object) -> np.ndarray:
    """The checked ground truth of all frames."""
    return checked_gt(found, meaning(**keys), found.frames.size(1))


@pytest.mark.parametrize("packed", [False, True])
def test_one_sequence_and_several_at_any_depth(tmp_path: Path, packed: bool):
    write_sequence(tmp_path / "in/x/train/walk", name="WALK-1")
    write_sequence(tmp_path / "in/park")
    (tmp_path / "in/test/bare/img1").mkdir(parents=True)  # no ground truth: no sequence
    path = pack(tmp_path / "in", tmp_path / "in.zip") if packed else tmp_path / "in"
    listing = find_sequences(tree_at(path), meaning().source)
    assert {name: entry.split for name, entry in listing.entries.items()} == {"WALK-1": "train", "park": None}
    assert listing.labels[1] == "pedestrian"
    found = listing.entries["WALK-1"].read()
    assert (found.fps, found.frames.count, found.frames.size(3), found.frames.extension) == (10, 6, (64, 48), ".jpg")
    assert found.frames.paths(range(2, 4)) == ["x/train/walk/img1/000002.jpg", "x/train/walk/img1/000003.jpg"]
    assert list(found.frames.encoded(range(2, 7, 2))) == [picture(n) for n in (2, 4, 6)]
    assert found.gt.shape == (12, 9)


@pytest.mark.parametrize("packed", [False, True])
def test_a_test_sequence_may_come_without_ground_truth(tmp_path: Path, packed: bool):
    for name in ("test/walk", "train/run"):
        shutil.rmtree(write_sequence(tmp_path / "in" / name) / "gt")
    path = pack(tmp_path / "in", tmp_path / "in.zip") if packed else tmp_path / "in"
    [(name, entry)] = find_sequences(tree_at(path), meaning().source).entries.items()
    found = entry.read()
    assert (name, entry.split, found.annotated, found.frames.count) == ("walk", "test", False, 6)
    assert check(found).shape == (0, 9)


@pytest.mark.parametrize(("archive", "folder"), [("val.zip", ""), ("DanceTrack.zip", "val1/"), ("train2.zip", "val/")])
def test_own_split_is_that_of_the_folder_or_else_of_the_archive(tmp_path: Path, archive: str, folder: str):
    write_sequence(tmp_path / f"in/{folder}dancetrack0004")
    [entry] = find_sequences(tree_at(pack(tmp_path / "in", tmp_path / archive)), meaning().source).entries.values()
    assert entry.split == "val"


@pytest.mark.parametrize("packed", [False, True])
def test_path_may_be_the_sequence_itself(tmp_path: Path, packed: bool):
    folder = write_sequence(tmp_path / "walk")
    (folder / "seqinfo.ini").unlink()
    path = pack(folder, tmp_path / "stroll.zip") if packed else folder
    found = find_sequences(tree_at(path, str(path)), meaning().source)
    assert list(found.entries) == ["stroll" if packed else "walk"]
    assert read(path, fps=12.5).fps == 12.5


def test_links_are_followed_once(tmp_path: Path):
    write_sequence(tmp_path / "elsewhere/walk")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    found = read(tmp_path / "in")
    assert (found.name, found.gt_file) == ("walk", "in/link/walk/gt/gt.txt")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_video_instead_of_images(tmp_path: Path, suffix: str, packed: bool):
    folder = write_sequence(tmp_path / "walk", frames=6)
    shutil.rmtree(folder / "img1")
    grey = [40, 80, 120, 160, 200, 240]
    _write_video(folder / f"walk.{suffix}", grey)
    path = pack(folder, tmp_path / "walk.zip") if packed else folder
    found = read(path)
    assert (found.frames.count, found.frames.size(1), found.frames.extension) == (6, (64, 48), ".jpg")
    for number, encoded in zip((2, 5), found.frames.encoded(range(2, 7, 3)), strict=True):
        assert _mean(encoded) == pytest.approx(grey[number - 1], abs=4)


def _write_video(path: Path, grey: list[int]) -> None:
    codec = "libx264" if path.suffix == ".mp4" else "mpeg4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in grey:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _mean(encoded: bytes) -> float:
    import cv2

    return float(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR).mean())


def test_seqinfo_that_lies_is_corrected_with_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = write_sequence(tmp_path / "walk", length=600)
    (folder / "gt/gt.txt").write_text(gt_text(8))
    info = folder / "seqinfo.ini"
    info.write_text(info.read_text().replace("imWidth=64", "imWidth=1920"))
    found = read(folder)
    assert (found.frames.count, len(check(found))) == (6, 12)
    assert capsys.readouterr().err == (
        "warning: walk/seqinfo.ini: seqLength is 600, found 6; imWidth is 1920, found 64; "
        "4 boxes behind the last frame dropped\n"
    )


def test_mot15_ground_truth(real_data: Path):
    path = real_data / "mot15-tud/TUD-Campus/gt.txt"
    gt = parse_gt(path.read_text(), str(path))
    assert gt.shape == (359, 9)
    assert gt[0].tolist() == [1, 1, 399, 182, 121, 229, 1, -1, 1]
    assert (meaning().purposes(gt) == 0).all()


# --- what is wrong with a sequence


def _edit(file: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(change((folder / file).read_text()))


def _write(file: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes(content)


def _remove(*files: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / file).unlink() for file in files]


def _image(**options: object) -> bytes:
    import io

    from PIL import Image

    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = options.pop("turn", 1)
    Image.new("RGB", options.pop("size", (64, 48))).save(file, options.pop("format", "JPEG"), exif=exif)
    return file.getvalue()


ROW = "4,9,{},1,1,1\n"
WRONG = {
    "no frame rate": (_remove("seqinfo.ini"), "walk/seqinfo.ini: no frame rate", "set the source's `fps`"),
    "frame rate 0": (_edit("seqinfo.ini", lambda t: t.replace("=10", "=0")), "seqinfo.ini: frameRate is no", "fps"),
    "no section": (_write("seqinfo.ini", b"name=walk\n"), "walk/seqinfo.ini:1: no [Sequence]", "fetch"),
    "name": (_edit("seqinfo.ini", lambda t: t.replace("=walk", "=../x")), "walk: '../x' is no name", "use letters"),
    "imDir": (_edit("seqinfo.ini", lambda t: t.replace("=img1", "=../img1")), "imDir leads out", "correct imDir"),
    "a frame is missing": (_remove("img1/000003.jpg"), "walk/img1: frame 3 is missing; frames reach 6", "fetch"),
    "no frames": (_remove(*(f"img1/{n:06d}.jpg" for n in ALL)), "walk/: no images in img1/", "put frames there"),
    "two videos": (
        lambda folder: [shutil.rmtree(folder / "img1"), *((folder / f"{n}.mp4").touch() for n in "ab")],
        "2 videos, and no images",
        "one video file",
    ),
    "broken video": (
        lambda folder: [shutil.rmtree(folder / "img1"), (folder / "a.mp4").write_bytes(b"no video")],
        "walk/a.mp4: broken video",
        "fetch the video again",
    ),
    "frame 0": (_write("img1/000000.jpg", picture(1)), "frame 7 is missing", "count from 1"),
    "twice": (_write("img1/3.jpg", picture(3)), "walk/img1/3.jpg: frame 3 stands twice", "delete one"),
    "no number": (_write("img1/cover.jpg", picture(3)), "walk/img1/cover.jpg: the name holds no frame number", "name"),
    "formats": (_write("img1/000007.png", _image(format="PNG")), "walk/img1/000007.png: not .jpg", "one image format"),
    "empty image": (_write("img1/000002.jpg", b""), "walk/img1/000002.jpg: truncated or no image", "fetch"),
    "first image": (_write("img1/000001.jpg", picture(1)[:400]), "walk/img1/000001.jpg: truncated", "fetch"),
    "a page": (_write("img1/000002.jpg", b"<html>no</html>"), "walk/img1/000002.jpg: truncated or no image", "fetch"),
    "size": (_write("img1/000002.jpg", picture(2, 32, 24)), "000002.jpg: 32x24 pixels, the sequence has 64x48", "keep"),
    "turned": (_write("img1/000002.jpg", _image(turn=6)), "000002.jpg: turned by an EXIF tag", "turn the pixels"),
    "columns": (
        _edit("gt/gt.txt", lambda t: t + "1,3,5,5,5,5,1,1,1,1\n"),
        "gt.txt:13: 10 columns, not 9 as",
        "half-written",
    ),
    "cut": (_edit("gt/gt.txt", lambda t: t[:-5]), "walk/gt/gt.txt:12: 8 columns", "half-written"),
    "cut in a number": (_edit("gt/gt.txt", lambda t: t[:-4]), "walk/gt/gt.txt:12: not numbers", "correct the line"),
    "not text": (_write("gt/gt.txt", b"\xff\xfe\x00"), "walk/gt/gt.txt: not text", "fetch"),
    "frame number": (_edit("gt/gt.txt", lambda t: "0" + t[1:]), "gt.txt:1: frames count from 1", "correct"),
    "whole numbers": (_edit("gt/gt.txt", lambda t: "1.5" + t[1:]), "gt.txt:1: frame, id and class must be", "correct"),
    "not a number": (_edit("gt/gt.txt", lambda t: t.replace("40,", "nan,", 1)), "gt.txt:2: not finite", "correct"),
    "no size": (_edit("gt/gt.txt", lambda t: t + ROW.format("5,5,0,5")), "gt.txt:13: the box has no width", "delete"),
    "left": (_edit("gt/gt.txt", lambda t: t + ROW.format("-9,5,9,5")), "gt.txt:13: the box lies outside", "delete"),
    "below": (_edit("gt/gt.txt", lambda t: t + ROW.format("5,48,9,5")), "gt.txt:13: the box lies outside", "delete"),
    "blank lines": (_edit("gt/gt.txt", lambda t: f"\n{t}\n{t[:1]},1,1,1,5,5,1,1,1\n"), "gt.txt:15: id 1", "gt.txt:2"),
    "no label": (
        _edit("gt/gt.txt", lambda t: t + "4,9,5,5,5,5,1,77,1\n"),
        "gt.txt:13: class 77 has no name",
        "`77: NAME`",
    ),
    "unmapped": (
        _edit("gt/gt.txt", lambda t: t + "4,9,5,5,5,5,1,7,1\n"),
        "gt.txt:13: class 7 (static_person) is mapped to nothing",
        "add `static_person: drop`",
    ),
    "all beyond": (_write("gt/gt.txt", b"9,1,5,5,5,5,1,1,1\n"), "gt.txt: holds no boxes in frames 1 to 6", "fetch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sequence_names_file_line_and_remedy(tmp_path: Path, name: str):
    folder = write_sequence(tmp_path / "walk")
    spoil, words, remedy = WRONG[name]
    spoil(folder)
    with pytest.raises(InputError) as caught:
        found = read(folder)
        check(found)
        list(found.frames.encoded(range(1, found.frames.count + 1)))
    assert words in str(caught.value)
    assert remedy in caught.value.remedy + caught.value.what
    assert "\n" not in str(caught.value)


def test_partly_outside_is_kept_and_what_counts_as_not_annotated_may_lie_anywhere(tmp_path: Path):
    folder = write_sequence(tmp_path / "walk")
    extra = "4,9,-5,-5,9,9,1,1,1\n4,8,-50,5,9,9,0,1,1\n4,8,70,5,9,9,1,8,1\n4,2,5,5,9,9,1,13,1\n"
    _edit("gt/gt.txt", lambda t: t + extra)(folder)
    classes = {**CLASSES, "distractor": "drop", "crowd": "region"}
    gt = check(read(folder), classes=classes)
    assert len(gt) == 16
    assert gt[12].tolist() == [4, 9, -5, -5, 9, 9, 1, 1, 1]
    assert meaning(classes=classes).purposes(gt).tolist() == [
        *[0, 1] * 6,
        0,
        -3,
        -3,
        -2,
    ]


def test_two_sequences_of_one_name(tmp_path: Path):
    write_sequence(tmp_path / "in/a", name="walk")
    write_sequence(tmp_path / "in/b", name="walk")
    with pytest.raises(InputError, match=r"in/b: a second sequence named walk: rename one"):
        read(tmp_path / "in")


def test_no_sequence_at_all(tmp_path: Path):
    with pytest.raises(InputError, match=r"^in: no sequence in it: no folder holds gt/gt.txt: correct `path`"):
        find_sequences(tree_at(tmp_path, "in"), meaning().source)


# --- hostile ZIPs


def _member(name: str, content: bytes = b"x", mode: int = 0) -> Callable[[zipfile.ZipFile], None]:
    def add(archive: zipfile.ZipFile) -> None:
        item = zipfile.ZipInfo(name)
        item.external_attr = mode << 16
        item.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(item, content)

    return add


HOSTILE = {
    "parent": (_member("walk/../../evil"), "in.zip: walk/../../evil: the member's path leads out"),
    "absolute": (_member("/etc/evil"), "in.zip: /etc/evil: the member's path leads out"),
    "backslash": (_member("..\\evil"), "the member's path leads out"),
    "link": (_member("walk/link", b"/etc/passwd", stat.S_IFLNK | 0o777), "walk/link: the member is a symbolic link"),
    "bomb": (_member("walk/img1/zeros.jpg", bytes(100 << 20)), "a ZIP bomb"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_zip(tmp_path: Path, name: str):
    path = pack(write_sequence(tmp_path / "walk"), tmp_path / "in.zip")
    with zipfile.ZipFile(path, "a") as archive:
        HOSTILE[name][0](archive)
    with pytest.raises(InputError) as caught:
        tree_at(path)
    assert HOSTILE[name][1] in str(caught.value)


def test_broken_member_is_named(tmp_path: Path):
    path = tmp_path / "in.zip"
    folder = write_sequence(tmp_path / "walk")
    with zipfile.ZipFile(path, "w") as archive:  # stored: the bytes are found as they are
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    content = bytearray(path.read_bytes())
    content[content.index(picture(4)) + 300] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"in\.zip: img1/000004\.jpg: the member is broken: fetch or pack"):
        list(read(path).frames.encoded(ALL))


def test_text_is_no_zip(tmp_path: Path):
    (tmp_path / "in.zip").write_text("<html>Sign in</html>")
    with pytest.raises(InputError, match=r"^in\.zip: neither a folder nor a whole ZIP archive"):
        tree_at(tmp_path / "in.zip")
