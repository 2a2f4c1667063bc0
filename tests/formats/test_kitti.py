from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.sequences.archive import Sequence
from tests.footage import Project, picture
from tests.readers import as_folder_or_zip, build, checked, complaint, listing, rows, source_of, write_pictures

BLOCK = {
    "format": "kitti",
    "classes": {"Car": "car", "Van": "drop", "Pedestrian": "person", "DontCare": "region"},
}
IN_SPACE = "1.57 1.73 4.12 2.1 1.7 20.3 -1.5"
LABELS = (
    f"0 0 Van 0 0 -1.79 30.5 10.25 50 30.75 {IN_SPACE}\n"
    f"0 -1 DontCare -1 -1 -10 1 2 9 8 -1000 -1000 -1000 -10 -1 -1 -1\n"
    f"0 -1 DontCare -1 -1 -10 20 2 29 8 -1000 -1000 -1000 -10 -1 -1 -1\n"
    f"0 2 Pedestrian 1 3 -2.5 5 10 13 26 {IN_SPACE}\n"
    f"2 2 Pedestrian 0 2 -2.5 7 10 15 26 {IN_SPACE}\n"
    f"3 3 Car 0 1 0 40 20 64 47 {IN_SPACE}\n"
)


def write_drive(folder: Path, name: str = "0000", frames: int = 4) -> Path:
    write_pictures(folder / "image_02" / name, [f"{number:06d}.jpg" for number in range(frames)])
    (folder / "label_02").mkdir(exist_ok=True)
    (folder / f"label_02/{name}.txt").write_text(LABELS)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_boxes_types_ids_and_frames(tmp_path: Path, packed: bool):
    write_drive(tmp_path / "in/training")
    write_drive(tmp_path / "in/training", "0001")
    write_pictures(tmp_path / "in/testing/image_02/0000", ["000000.jpg"])  # no labels: no sequence
    path = as_folder_or_zip(tmp_path / "in", packed)
    found = listing(path, BLOCK)
    assert {name: entry.split for name, entry in found.entries.items()} == {"0000": "train", "0001": "train"}
    drive = found.entries["0000"].read()
    assert (drive.name, drive.fps, drive.frames.count) == ("0000", 10, 4)
    assert drive.frames.paths(range(1, 3)) == [f"training/image_02/0000/00000{n}.jpg" for n in (0, 1)]
    assert rows(checked(drive, BLOCK, found.labels)) == [
        (1, 0, 30.5, 10.25, 19.5, 20.5, 1, 2, 1),
        (1, -1, 1, 2, 8, 6, 1, 10, 1),
        (1, -1, 20, 2, 9, 6, 1, 10, 1),
        (1, 2, 5, 10, 8, 16, 1, 4, 0),  # truncated
        (3, 2, 7, 10, 8, 16, 1, 4, 1),
        (4, 3, 40, 20, 24, 27, 1, 1, 1),
    ]
    assert drive.at(4) == f"{'in.zip: ' if packed else 'in/'}training/label_02/0000.txt:5"


def test_path_may_be_the_split_itself(tmp_path: Path):
    write_drive(tmp_path / "training")
    [entry] = listing(tmp_path / "training", BLOCK).entries.values()
    assert entry.split == "train"
    assert entry.read().frames.count == 4


def test_frame_rate_of_params(tmp_path: Path):
    write_drive(tmp_path / "in")
    [entry] = listing(tmp_path / "in", {**BLOCK, "fps": 5.0}).entries.values()
    assert (entry.split, entry.read().fps) == (None, 5)
    assert source_of(BLOCK).fps == 10


def test_built_with_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_drive(tmp_path / "in/training")
    take = {"stride": 2, "frames": 2}
    assert build(Project(tmp_path), **BLOCK, splits=None, take=take) == ["0000,train,2,5.0,64,48,2,1"]
    archive = Sequence("data/sources/footage/0000.zip")
    assert [archive.encoded(n) for n in (1, 2)] == [picture(1), picture(3)]
    assert archive.gt()[:, 0].tolist() == [1, 1, 1, 1, 2]
    assert archive.gt()[4].tolist() == [2, 2, 7, 10, 8, 16, 1, 4, 1]


def test_class_that_the_format_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"sources.footage.classes.Bus: the source has no class `Bus`: its classes"):
        build(Project(tmp_path), **{**BLOCK, "classes": {"Bus": "car"}})


def _edit(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / "label_02/0000.txt").write_text(change(LABELS))


FILE = "in/label_02/0000.txt"
WRONG = {
    "columns": (_edit(lambda t: t[:-5]), f"{FILE}:6: 16 columns, not 17 or 18: fetch"),
    "commas": (_edit(lambda t: t.replace(" ", ",")), f"{FILE}:1: 1 columns, not 17 or 18: fetch"),
    "text": (_edit(lambda t: t.replace("40 20", "4O 20")), f"{FILE}:6: not a number: '4O': correct the line"),
    "not finite": (_edit(lambda t: t.replace("40 20", "inf 20")), f"{FILE}:6: a number is not finite: correct"),
    "type": (_edit(lambda t: t.replace(" Car", " Bus")), f"{FILE}:6: no such type 'Bus': KITTI's are Car, Van, Truck,"),
    "unmapped": (_edit(lambda t: t.replace("Van", "Tram")), f"{FILE}:1: class 8 (Tram) is mapped to nothing: add"),
    "frame": (_edit(lambda t: "-1" + t[1:]), f"{FILE}:1: frames count from 0: correct it"),
    "half a frame": (_edit(lambda t: "0.5" + t[1:]), f"{FILE}:1: frame, id and class must be whole numbers"),
    "twice": (
        _edit(lambda t: t.replace("2 2 Ped", "0 2 Ped")),
        f"{FILE}:5: id 2 stands twice in frame 1 (also at 0000",
    ),
    "outside": (_edit(lambda t: t.replace("40 20 64", "64 20 70")), f"{FILE}:6: the box lies outside the frame"),
    "inside out": (_edit(lambda t: t.replace("40 20 64", "40 20 4")), f"{FILE}:6: the box has no width or no height"),
    "empty": (_edit(lambda _: "\n"), f"{FILE}: holds no boxes in frames 1 to 4"),
    "no images": (
        lambda folder: [path.unlink() for path in folder.glob("image_02/0000/*")],
        "in/image_02/0000: no images in it: put the frames there",
    ),
    "a hole": (lambda folder: (folder / "image_02/0000/000002.jpg").unlink(), "in/image_02/0000: frame 2 is missing;"),
    "from 1": (lambda folder: (folder / "image_02/0000/000000.jpg").unlink(), "0000: frame 0 is missing; frames reach"),
    "no labels": (
        lambda folder: (folder / "label_02/0000.txt").unlink(),
        "in: no sequence in it: no label_02/NAME.txt",
    ),
    "not text": (lambda folder: (folder / "label_02/0000.txt").write_bytes(b"\xff\xfe"), f"{FILE}: not text: fetch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_names_file_and_line(tmp_path: Path, name: str):
    spoil, words = WRONG[name]
    spoil(write_drive(tmp_path / "in"))
    assert words in str(complaint(tmp_path / "in", BLOCK))
