from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stages.sequences.archive import Sequence
from tests.footage import Project, picture
from tests.readers import as_folder_or_zip, build, checked, complaint, listing, rows, write_pictures

BLOCK = {"format": "mtmmc", "classes": {"person": "person"}}
GT = "0000,063,11.20,5.70,21.3,39.1\n0000,018,3.5,3.5,8,16\n0002,063,12.25,5.7,21.3,39.1\n"


def write_camera(folder: Path, frames: int = 4, gt: str = GT, first: int = 1) -> Path:
    write_pictures(folder / "rgb", [f"{number:06d}.jpg" for number in range(frames)], first)
    write_pictures(folder / "thermal", [f"{number:06d}.png" for number in range(frames)])  # beside it, not read
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text(gt)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_cameras_are_sequences_and_identities_are_shared(tmp_path: Path, packed: bool):
    write_camera(tmp_path / "in/train/train/s01/c01")
    write_camera(tmp_path / "in/train/train/s01/c03", gt="0001,063,1,2,8,16\n")
    write_camera(tmp_path / "in/val/s14/c01")
    (tmp_path / "in/kaist_mtmdc_train.json").write_text("{}")
    found = listing(as_folder_or_zip(tmp_path / "in", packed), BLOCK)
    splits = {name: entry.split for name, entry in found.entries.items()}
    assert splits == {"s01-c01": "train", "s01-c03": "train", "s14-c01": "val"}
    one, three = (found.entries[name].read() for name in ("s01-c01", "s01-c03"))
    assert (one.name, one.fps, one.frames.count) == ("s01-c01", 23, 4)
    assert one.frames.paths(range(1, 2)) == ["train/train/s01/c01/rgb/000000.jpg"]
    assert rows(checked(one, BLOCK, found.labels)) == [
        (1, 63, 11.2, 5.7, 21.3, 39.1, 1, 1, 1),
        (1, 18, 3.5, 3.5, 8, 16, 1, 1, 1),
        (3, 63, 12.25, 5.7, 21.3, 39.1, 1, 1, 1),
    ]
    assert rows(three.gt) == [(2, 63, 1, 2, 8, 16, 1, 1, 1)]
    assert one.at(2) == f"{'in.zip: ' if packed else 'in/'}train/train/s01/c01/gt/gt.txt:3"


@pytest.mark.parametrize("packed", [False, True])
def test_path_may_be_one_scene(tmp_path: Path, packed: bool):
    write_camera(tmp_path / "s07/c02")
    assert list(listing(as_folder_or_zip(tmp_path / "s07", packed), BLOCK).entries) == ["s07-c02"]


def test_built_with_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_camera(tmp_path / "in/train/s01/c01")
    write_camera(tmp_path / "in/val/s14/c01", gt="0002,5,1,2,8,16\n", first=11)
    take = {"stride": 2, "frames": 2}
    assert build(Project(tmp_path), **BLOCK, splits=None, take=take) == [
        "s01-c01,train,2,11.5,64,48,3,2",
        "s14-c01,val,2,11.5,64,48,1,1",
    ]
    archive = Sequence("data/sources/footage/s01-c01.zip")
    assert [archive.encoded(n) for n in (1, 2)] == [picture(1), picture(3)]
    assert archive.gt()[:, :3].tolist() == [[1, 63, 11.2], [1, 18, 3.5], [2, 63, 12.25]]


def _edit(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / "gt/gt.txt").write_text(change(GT))


FILE = "in/s01/c01/gt/gt.txt"
WRONG = {
    "columns": (_edit(lambda t: t.replace(",8,16", ",8,16,1")), f"{FILE}:2: 7 columns, not 6: fetch"),
    "cut": (_edit(lambda t: t[:-7]), f"{FILE}:3: 5 columns, not 6: fetch"),
    "text": (_edit(lambda t: t.replace("3.5,", "x,", 1)), f"{FILE}:2: not a number: 'x': correct the line"),
    "frame": (_edit(lambda t: "-1,1,1,1,5,5\n" + t), f"{FILE}:1: frames count from 0: correct"),
    "twice": (_edit(lambda t: t.replace("018", "63")), f"{FILE}:2: id 63 stands twice in frame 1 (also at gt.txt:1)"),
    "outside": (_edit(lambda t: t + "0003,1,64,1,5,5\n"), f"{FILE}:4: the box lies outside the frame (64x48)"),
    "no size": (_edit(lambda t: t + "0003,1,4,1,5,0\n"), f"{FILE}:4: the box has no width or no height"),
    "empty": (_edit(lambda _: ""), f"{FILE}: holds no boxes in frames 1 to 4"),
    "no images": (
        lambda folder: [path.unlink() for path in folder.glob("rgb/*")],
        "in/s01/c01/rgb: no images in it",
    ),
    "a hole": (
        lambda folder: (folder / "rgb/000001.jpg").unlink(),
        "in/s01/c01/rgb: frame 1 is missing; frames reach 3",
    ),
    "no gt": (lambda folder: (folder / "gt/gt.txt").unlink(), "in: no sequence in it: no SCENE/CAMERA/gt/gt.txt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_names_file_and_line(tmp_path: Path, name: str):
    spoil, words = WRONG[name]
    spoil(write_camera(tmp_path / "in/s01/c01"))
    assert words in str(complaint(tmp_path / "in", BLOCK))


def test_two_cameras_of_one_name(tmp_path: Path):
    write_camera(tmp_path / "in/train/s01/c01")
    write_camera(tmp_path / "in/val/s01/c01")
    assert "in/val/s01/c01: a second sequence named s01-c01" in str(complaint(tmp_path / "in", BLOCK))
