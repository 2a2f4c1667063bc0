from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages.sequences.archive import Sequence
from tests.footage import Project
from tests.readers import as_folder_or_zip, build, checked, complaint, listing, rows

BLOCK = {"format": "video", "classes": {"object": "person"}}
GT = "1,1,5,10,8,16,1,1,1\n1,2,40,20,10,6,1,1,0.5\n3,1,7,10,8,16,1,1,1\n"
GREY = [40, 80, 120, 160, 200]


def write_video(path: Path, rate: Fraction = Fraction(25, 2)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if path.suffix == ".mp4" else "mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in GREY:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write(path: Path, text: str = GT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["walk.txt", "gt.txt", "gt/gt.txt"])
def test_ground_truth_beside_the_video(tmp_path: Path, place: str, packed: bool):
    write_video(tmp_path / "in/train/walk.mp4")
    write(tmp_path / "in/train" / place)
    found = listing(as_folder_or_zip(tmp_path / "in", packed), BLOCK)
    assert {name: entry.split for name, entry in found.entries.items()} == {"walk": "train"}
    walk = found.entries["walk"].read()
    assert (walk.fps, walk.frames.count, walk.frames.size(1)) == (12.5, 5, (64, 48))
    assert rows(checked(walk, BLOCK, found.labels)) == [
        (1, 1, 5, 10, 8, 16, 1, 1, 1),
        (1, 2, 40, 20, 10, 6, 1, 1, 0.5),
        (3, 1, 7, 10, 8, 16, 1, 1, 1),
    ]
    assert walk.at(2) == f"{'in.zip: ' if packed else 'in/'}train/{place}:3"


def test_several_videos_in_a_folder(tmp_path: Path):
    for name in ("a", "b", "spare"):
        write_video(tmp_path / f"in/{name}.avi")
    write(tmp_path / "in/a.txt")
    write(tmp_path / "in/b.txt")
    assert list(listing(tmp_path / "in", BLOCK).entries) == ["a", "b"]


def test_world_coordinates_class_names_and_frame_rate(tmp_path: Path):
    write_video(tmp_path / "in/walk.avi")
    write(tmp_path / "in/gt.txt", "1,1,5,10,8,16,1,-4.2,3.3,0\n")
    block = {**BLOCK, "fps": 7.0}
    found = listing(tmp_path / "in", block)
    walk = found.entries["walk"].read()
    assert (walk.fps, rows(checked(walk, block, found.labels))) == (7, [(1, 1, 5, 10, 8, 16, 1, -1, 1)])
    named = listing(tmp_path / "in", {**block, "labels": {-1: "walker"}, "classes": {"walker": "person"}})
    assert named.labels == {-1: "walker"}


def test_built_with_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in/walk.mp4")
    write(tmp_path / "in/walk.txt")
    take = {"stride": 2, "frames": 2}
    assert build(Project(tmp_path), **BLOCK, take=take) == ["walk,test,2,6.25,64,48,3,2"]
    archive = Sequence("data/sources/footage/walk.zip")
    for number, level in ((1, GREY[0]), (2, GREY[2])):
        image = cv2.imdecode(np.frombuffer(archive.encoded(number), np.uint8), cv2.IMREAD_COLOR)
        assert float(image.mean()) == pytest.approx(level, abs=4)
    assert archive.gt()[:, :3].tolist() == [[1, 1, 5], [1, 2, 40], [2, 1, 7]]


def test_video_and_ground_truth_named_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "films/walk.avi")
    write(tmp_path / "labels/walk.txt")
    built = build(Project(tmp_path), **BLOCK, path=["films/walk.avi", "labels/walk.txt"])
    assert built == ["walk,test,5,12.5,64,48,3,2"]


def test_pets09(real_data: Path):
    found = listing(real_data / "pets09-s2l1", BLOCK)
    assert list(found.entries) == ["PETS09-S2L1"]
    pets = found.entries["PETS09-S2L1"].read()
    gt = checked(pets, BLOCK, found.labels)
    assert (pets.frames.count, pets.frames.size(1), len(gt), len(set(gt[:, 1]))) == (795, (768, 576), 4650, 19)
    assert gt[0].tolist() == [224, 1, 712.32, 231.73, 38.38, 86.15, 1, 1, 1]


def _edit(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / "gt.txt").write_text(change(GT))


WRONG = {
    "columns": (_edit(lambda t: t + "1,1,1\n"), "in/gt.txt:4: 3 columns, not 9 as in the lines before"),
    "text": (_edit(lambda t: t.replace("40,", "x,")), "in/gt.txt:2: not numbers: '1,2,x,"),
    "no name": (_edit(lambda t: t.replace("1,0.5", "3,0.5")), "in/gt.txt:2: class 3 has no name: add `3: NAME` to"),
    "twice": (_edit(lambda t: t.replace("1,2,40", "1,1,40")), "in/gt.txt:2: id 1 stands twice in frame 1"),
    "outside": (_edit(lambda t: t.replace("40,20", "64,20")), "in/gt.txt:2: the box lies outside the frame (64x48)"),
    "no size": (_edit(lambda t: t.replace("10,6", "10,0")), "in/gt.txt:2: the box has no width or no height"),
    "empty": (_edit(lambda _: ""), "in/gt.txt: holds no boxes"),
    "all beyond": (_edit(lambda _: "6" + GT.splitlines()[0][1:]), "in/gt.txt: holds no boxes in frames 1 to 5"),
    "no gt": (lambda folder: (folder / "gt.txt").unlink(), "in: no sequence in it: no video with NAME.txt, gt.txt or"),
    "no video": (lambda folder: (folder / "walk.mp4").unlink(), "in: no sequence in it: no video with"),
    "two videos": (
        lambda folder: shutil.copy(folder / "walk.mp4", folder / "run.mp4"),
        "in/gt.txt: 2 videos beside one ground truth: name each video's own like the video, NAME.txt",
    ),
    "no film": (lambda folder: (folder / "walk.mp4").write_bytes(b"<html>"), "in/walk.mp4: broken video: fetch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_names_file_and_line(tmp_path: Path, name: str):
    spoil, words = WRONG[name]
    write_video(tmp_path / "in/walk.mp4")
    write(tmp_path / "in/gt.txt")
    spoil(tmp_path / "in")
    assert words in str(complaint(tmp_path / "in", BLOCK))
