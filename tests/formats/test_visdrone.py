from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stages.sequences.archive import Sequence
from tests.footage import Project, picture
from tests.readers import as_folder_or_zip, build, checked, complaint, listing, rows, write_pictures

BLOCK = {
    "format": "visdrone",
    "fps": 24.0,
    "classes": {"pedestrian": "person", "car": "car", "ignored regions": "region", "others": "drop"},
}
STILLS = {key: value for key, value in BLOCK.items() if key != "fps"}
MOT = (
    "1,0,5,10,8,16,1,1,0,0\n"
    "1,1,40,20,10,6,1,4,0,1\n"
    "1,2,0,0,20,9,0,0,-1,-1\n"
    "2,0,6,10,8,16,1,1,1,2\n"
    "2,2,0,0,20,9,0,0,0,0\n"
    "4,7,30,30,5,5,0,11,0,0,\n"
)
DET = "5,10,8,16,1,1,0,0\n40,20,10,6,1,4,0,2,\n0,0,20,9,0,0,0,0\n"


def write_clip(folder: Path, name: str = "uav0000013_00000_v", frames: int = 4) -> Path:
    write_pictures(folder / "sequences" / name, [f"{number:07d}.jpg" for number in range(1, frames + 1)])
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / f"annotations/{name}.txt").write_text(MOT)
    return folder


def write_stills(folder: Path, *names: str) -> Path:
    write_pictures(folder / "images", [f"{name}.jpg" for name in names])
    (folder / "annotations").mkdir()
    for name in names:
        (folder / f"annotations/{name}.txt").write_text(DET)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_mot_boxes_classes_regions_and_visibility(tmp_path: Path, packed: bool):
    write_clip(tmp_path / "in/VisDrone2019-MOT-train")
    write_clip(tmp_path / "in/VisDrone2019-MOT-val", "uav1")
    write_clip(tmp_path / "in/VisDrone2019-MOT-test-dev", "uav2")
    write_pictures(tmp_path / "in/VisDrone2019-MOT-test-challenge/sequences/uav3", ["0000001.jpg"])
    found = listing(as_folder_or_zip(tmp_path / "in", packed), BLOCK)
    splits = {name: entry.split for name, entry in found.entries.items()}
    assert splits == {"uav0000013_00000_v": "train", "uav1": "val", "uav2": "test"}
    clip = found.entries["uav0000013_00000_v"].read()
    assert (clip.fps, clip.frames.count) == (24, 4)
    assert rows(checked(clip, BLOCK, found.labels)) == [
        (1, 0, 5, 10, 8, 16, 1, 1, 1),
        (1, 1, 40, 20, 10, 6, 1, 4, 0.75),
        (1, 2, 0, 0, 20, 9, 0, 0, 1),
        (2, 0, 6, 10, 8, 16, 1, 1, 0.25),
        (2, 2, 0, 0, 20, 9, 0, 0, 1),
        (4, 7, 30, 30, 5, 5, 0, 11, 1),
    ]
    assert clip.at(5).endswith("VisDrone2019-MOT-train/annotations/uav0000013_00000_v.txt:6")


@pytest.mark.parametrize("packed", [False, True])
def test_stills_are_sequences_of_length_one(tmp_path: Path, packed: bool):
    write_stills(tmp_path / "VisDrone2019-DET-val", "a", "b")
    found = listing(as_folder_or_zip(tmp_path / "VisDrone2019-DET-val", packed), STILLS)
    assert {name: entry.split for name, entry in found.entries.items()} == {"a": "val", "b": "val"}
    still = found.entries["b"].read()
    assert (still.fps, still.frames.count, still.frames.paths(range(1, 2))) == (1, 1, ["images/b.jpg"])
    assert rows(checked(still, STILLS, found.labels)) == [
        (1, 1, 5, 10, 8, 16, 1, 1, 1),
        (1, 2, 40, 20, 10, 6, 1, 4, 0.25),
        (1, 3, 0, 0, 20, 9, 0, 0, 1),
    ]


def test_both_layouts_in_one_tree(tmp_path: Path):
    write_clip(tmp_path / "in/VisDrone2019-MOT-train", "clip")
    write_stills(tmp_path / "in/VisDrone2019-DET-train", "still")
    found = listing(tmp_path / "in", BLOCK)
    assert {name: entry.read().frames.count for name, entry in found.entries.items()} == {"still": 1, "clip": 4}


def test_boxes_without_size_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_stills(tmp_path / "in", "a")
    (tmp_path / "in/annotations/a.txt").write_text(DET + "1008,374,5,0,1,4,0,0\n1,1,5,5,1,1,0,0\n")
    [entry] = listing(tmp_path / "in", STILLS).entries.values()
    still = entry.read()
    assert capsys.readouterr().err == (
        "warning: in/annotations/a.txt: boxes without width or height left out, at line 4\n"
    )
    assert (len(still.gt), still.at(3)) == (4, "in/annotations/a.txt:5")


def test_mot_is_built_with_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "in/VisDrone2019-MOT-train", "clip")
    take = {"stride": 3, "frames": 2}
    built = build(Project(tmp_path), **BLOCK, splits=None, take=take)
    assert built == ["clip,train,2,8.0,64,48,2,2"]
    archive = Sequence("data/sources/footage/clip.zip")
    assert [archive.encoded(n) for n in (1, 2)] == [picture(1), picture(4)]
    assert archive.gt()[:, [0, 1, 7]].tolist() == [[1, 0, 1], [1, 1, 4], [1, 2, 0], [2, 7, 11]]


def test_stills_are_built_and_one_may_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_stills(tmp_path / "in", "a", "b", "c")
    (tmp_path / "in/annotations/b.txt").write_text("")
    built = build(Project(tmp_path), **STILLS, take={"sequences": ["a", "b"]})
    assert built == ["a,test,1,1.0,64,48,2,2", "b,test,1,1.0,64,48,0,0"]
    assert Sequence("data/sources/footage/b.zip").gt().shape == (0, 9)


def _edit(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / "annotations/clip.txt").write_text(change(MOT))


FILE = "in/annotations/clip.txt"
WRONG = {
    "columns": (_edit(lambda t: t + "1,2,3,4,5\n"), f"{FILE}:7: 5 columns, not 10: fetch"),
    "text": (_edit(lambda t: t.replace("40,", "forty,")), f"{FILE}:2: not a number: 'forty': correct the line"),
    "hole": (_edit(lambda t: t.replace("40,", ",")), f"{FILE}:2: not a number: '': correct the line"),
    "category": (
        _edit(lambda t: t.replace(",4,0,1", ",12,0,1")),
        f"{FILE}:2: no such category: VisDrone's are 0 to 11",
    ),
    "unmapped": (_edit(lambda t: t.replace(",4,0,1", ",5,0,1")), f"{FILE}:2: class 5 (van) is mapped to nothing: add"),
    "frame 0": (_edit(lambda t: "0" + t[1:]), f"{FILE}:1: frames count from 1: correct it"),
    "twice": (_edit(lambda t: t.replace("1,1,40", "1,0,40")), f"{FILE}:2: id 0 stands twice in frame 1"),
    "outside": (_edit(lambda t: t.replace("40,20", "40,48")), f"{FILE}:2: the box lies outside the frame (64x48)"),
    "backwards": (_edit(lambda t: t.replace("40,20,10", "40,20,-1")), f"{FILE}:2: the box has no width or no height"),
    "empty": (_edit(lambda _: ""), f"{FILE}: holds no boxes in frames 1 to 4"),
    "all beyond": (_edit(lambda _: "9" + MOT.splitlines()[0][1:]), f"{FILE}: holds no boxes in frames 1 to 4"),
    "a hole": (
        lambda folder: (folder / "sequences/clip/0000002.jpg").unlink(),
        "in/sequences/clip: frame 2 is missing",
    ),
    "no frames": (
        lambda folder: [path.unlink() for path in folder.glob("sequences/clip/*")],
        f"{FILE}: no images in sequences/ or images/ beside annotations/: correct `path`, or put",
    ),
    "other frames": (
        lambda folder: (folder / "sequences/clip").rename(folder / "sequences/other"),
        "in/sequences/clip: no images in it: put the frames there",
    ),
    "no annotations": (
        lambda folder: (folder / "annotations/clip.txt").unlink(),
        "in: no sequence in it: no annotations/",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_clip_names_file_and_line(tmp_path: Path, name: str):
    spoil, words = WRONG[name]
    spoil(write_clip(tmp_path / "in", "clip"))
    assert words in str(complaint(tmp_path / "in", BLOCK))


def test_a_clip_needs_a_frame_rate(tmp_path: Path):
    write_clip(tmp_path / "in", "clip")
    assert str(complaint(tmp_path / "in", STILLS)) == (
        "in/annotations/clip.txt: VisDrone states no frame rate: set the source's `fps` in params.yaml"
    )


def test_a_still_needs_its_image(tmp_path: Path):
    write_stills(tmp_path / "in", "a", "b")
    (tmp_path / "in/images/b.jpg").unlink()
    words = "in/annotations/b.txt: no image of that name in images/: put it there"
    assert str(complaint(tmp_path / "in", STILLS)).startswith(words)
