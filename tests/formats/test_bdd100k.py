from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.formats.groundtruth import Meaning
from stages.formats.incoming import find_sequences
from stages.sequences.annotations import REGION
from stages.sequences.archive import Sequence
from tests.footage import Project, pack, picture
from tests.readers import (
    as_folder_or_zip,
    build,
    checked,
    complaint,
    listing,
    rows,
    source_of,
    tree_at,
    write_pictures,
)

BLOCK = {
    "format": "bdd100k",
    "classes": {"pedestrian": "person", "car": "car", "other vehicle": "distractor", "crowd": "region"},
}


def label(identity: str, category: str, box: tuple[float, ...], **attributes: bool) -> dict:
    return {
        "id": identity,
        "category": category,
        "attributes": {"occluded": True, "truncated": False, "crowd": False, **attributes},
        "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
    }


def frames_of(video: str) -> list[dict]:
    """Four frames, the third without labels, out of order."""
    labels = {
        1: [label("b-2", "pedestrian", (5, 10, 12, 25)), label("b-10", "car", (0, 1.5, 9.25, 7))],
        2: [label("b-2", "pedestrian", (6, 10, 13, 25)), label("a-7", "car", (20, 1, 63, 9), crowd=True)],
        4: [label("b-3", "other vehicle", (40, 20, 64, 30))],
    }
    frames = [
        {"name": f"{video}-{n:07d}.jpg", "videoName": video, "frameIndex": n - 1, "labels": labels.get(n)}
        for n in (4, 1, 2, 3)
    ]
    return [{**frame, "size": {"width": 64, "height": 48}} for frame in frames]


def write_images(top: Path, split: str, video: str, first: int = 1) -> None:
    names = [f"{video}-{n:07d}.jpg" for n in range(1, 5)]
    write_pictures(top / "images/track" / split / video, names, first)


def write_labels(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def write_video(top: Path, split: str = "train", video: str = "v1", first: int = 1) -> Path:
    write_images(top, split, video, first)
    write_labels(top / f"labels/box_track_20/{split}/{video}.json", frames_of(video))
    return top


ROWS = [
    (4, 4, 40, 20, 25, 11, 1, 10, 1),
    (1, 3, 5, 10, 8, 16, 1, 1, 1),
    (1, 2, 0, 1.5, 10.25, 6.5, 1, 3, 1),
    (2, 3, 6, 10, 8, 16, 1, 1, 1),
    (2, 1, 20, 1, 44, 9, 1, 12, 1),
]


@pytest.mark.parametrize("packed", [False, True])
def test_one_file_a_video(tmp_path: Path, packed: bool):
    write_video(tmp_path / "in/bdd100k")
    write_video(tmp_path / "in/bdd100k", "val", "v2")
    write_labels(tmp_path / "in/bdd100k/labels/det_20/det_train.json", [{"name": "x.jpg"}])  # another task
    found = listing(as_folder_or_zip(tmp_path / "in", packed), BLOCK)
    assert {name: entry.split for name, entry in found.entries.items()} == {"v1": "train", "v2": "val"}
    video = found.entries["v1"].read()
    assert (video.name, video.fps, video.frames.count) == ("v1", 5, 4)
    assert video.frames.paths(range(2, 3)) == ["bdd100k/images/track/train/v1/v1-0000002.jpg"]
    assert rows(checked(video, BLOCK, found.labels)) == ROWS
    file = f"{'in.zip: ' if packed else 'in/'}bdd100k/labels/box_track_20/train/v1.json"
    assert (video.at(0), video.at(4)) == (f"{file}: frames[0].labels[0]", f"{file}: frames[2].labels[1]")


@pytest.mark.parametrize("wrapped", [False, True])
def test_one_file_of_many_videos(tmp_path: Path, wrapped: bool):
    for video in ("v1", "v2"):
        write_images(tmp_path / "in", "val", video)
    frames = frames_of("v2") + frames_of("v1")
    write_labels(tmp_path / "in/labels.json", {"frames": frames, "config": {}} if wrapped else frames)
    found = listing(tmp_path / "in", BLOCK)
    assert {name: entry.split for name, entry in found.entries.items()} == {"v1": "val", "v2": "val"}
    assert rows(found.entries["v1"].read().gt) == ROWS
    assert found.entries["v1"].read().at(0) == "in/labels.json: frames[4].labels[0]"


def test_older_spellings(tmp_path: Path):
    """`video_name`; `Crowd` and `video` names missing in a file that is named for its video; ids that are numbers."""
    write_video(tmp_path / "in")
    frames = frames_of("v1")
    del frames[0]["videoName"]
    frames[1]["video_name"] = frames[1].pop("videoName")
    crowd = frames[2]["labels"][1]
    crowd["attributes"] = {"Crowd": True}
    crowd["id"] = 7
    write_labels(tmp_path / "in/labels/box_track_20/train/v1.json", frames)
    assert rows(listing(tmp_path / "in", BLOCK).entries["v1"].read().gt) == ROWS


def test_a_file_of_one_video_is_read_when_the_video_is(tmp_path: Path):
    write_video(tmp_path / "in")
    write_video(tmp_path / "in", "val", "v2")
    (tmp_path / "in/labels/box_track_20/train/v1.json").write_text("{broken")
    found = listing(tmp_path / "in", BLOCK)
    assert len(found.entries["v2"].read().gt) == 5


def test_frames_of_another_set_do_not_count(tmp_path: Path):
    write_video(tmp_path / "in")
    write_pictures(tmp_path / "in/images/seg_track_20/train/v1", ["v1-0000001.jpg"])
    assert listing(tmp_path / "in", BLOCK).entries["v1"].read().frames.count == 4


def test_size_that_lies_is_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_video(tmp_path / "in")
    for path in (tmp_path / "in/images/track/train/v1").iterdir():
        path.write_bytes(picture(1, 128, 96))
    found = listing(tmp_path / "in", BLOCK)
    checked(found.entries["v1"].read(), BLOCK, found.labels)
    assert capsys.readouterr().err == (
        "warning: in/labels/box_track_20/train/v1.json: frames[0]: size.width is 64, found 128; "
        "size.height is 48, found 96\n"
    )


def test_the_real_sequence(tmp_path: Path, real_data: Path):
    name = "b1c66a42-6f7d68ca"
    folder = tmp_path / f"in/images/track/val/{name}"
    write_pictures(folder, [f"{name}-{n:07d}.jpg" for n in range(1, 203)])
    shutil.copy(real_data / "bdd100k-mot/track_sample_anns.json", tmp_path / f"in/{name}.json")
    found = listing(tmp_path / "in", BLOCK)
    video = found.entries[name].read()
    assert (found.entries[name].split, video.frames.count, video.gt.shape) == ("val", 202, (3241, 9))
    assert len(set(video.gt[:, 1])) == 144
    assert set(video.gt[:, 0]) == set(range(1, 203))
    native = Counter(found.labels[number] for number in video.gt[:, 7])
    assert native["crowd"] == 132
    assert sum(native.values()) == 3241
    raw = json.loads((tmp_path / f"in/{name}.json").read_text())
    boxes = [item["box2d"] for frame in raw for item in frame["labels"]]
    for row, box in zip(video.gt, boxes, strict=True):
        kept = (row[2], row[3], row[2] + row[4] - 1, row[3] + row[5] - 1)
        assert kept == pytest.approx((box["x1"], box["y1"], box["x2"], box["y2"]), abs=1e-9)


def test_built_with_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in")
    write_video(tmp_path / "in", "val", "v2", first=11)
    take = {"stride": 3, "frames": 2}
    built = build(Project(tmp_path), **BLOCK, splits=None, take=take)
    assert built == ["v1,train,2,1.66667,64,48,2,2", "v2,val,2,1.66667,64,48,2,2"]
    archive = Sequence("data/sources/footage/v1.zip")
    assert [archive.encoded(n) for n in (1, 2)] == [picture(1), picture(4)]
    assert rows(archive.gt()) == [(2, *ROWS[0][1:]), *ROWS[1:3]]


def test_labels_and_images_from_archives_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_labels(tmp_path / "labels/bdd100k/labels/box_track_20/train/v1.json", frames_of("v1"))
    write_images(tmp_path / "images/bdd100k", "train", "v1")
    paths = [str(pack(Path(name), Path(f"{name}.zip"))) for name in ("labels", "images")]
    assert build(Project(tmp_path), **BLOCK, path=paths, splits=None) == ["v1,train,4,5.0,64,48,3,2"]


def test_crowds_are_regions_and_rate_is_params(tmp_path: Path):
    write_video(tmp_path / "in")
    found = listing(tmp_path / "in", {**BLOCK, "fps": 30.0})
    video = found.entries["v1"].read()
    assert video.fps == 30
    use = Meaning("footage", source_of(BLOCK), found.labels, ("person", "car")).purposes(video.gt)
    assert use.tolist() == [-1, 0, 1, 0, REGION]


# --- what is wrong with labels

FILE = "in/labels/box_track_20/train/v1.json"
LABEL = f"{FILE}: frames[1].labels[1]"


def _text(change: Callable[[str], str]) -> Callable[[Path], object]:
    def spoil(top: Path) -> None:
        path = top / "labels/box_track_20/train/v1.json"
        path.write_text(change(path.read_text()))

    return spoil


def _frames(change: Callable[[list], object]) -> Callable[[Path], object]:
    def spoil(top: Path) -> None:
        frames = frames_of("v1")
        change(frames)
        write_labels(top / "labels/box_track_20/train/v1.json", frames)

    return spoil


def _label(**values: object) -> Callable[[Path], object]:
    return _frames(lambda frames: frames[1]["labels"][1].update(values))


def _box(**values: object) -> Callable[[Path], object]:
    return _frames(lambda frames: frames[1]["labels"][1]["box2d"].update(values))


def _without(key: str) -> Callable[[Path], object]:
    return _frames(lambda frames: frames[1]["labels"][1].pop(key))


WRONG = {
    "broken": (_text(lambda t: t.replace('"videoName"', "videoName", 1)), f"{FILE}:4: broken JSON (expecting property"),
    "cut": (_text(lambda t: t[: len(t) // 2]), f"{FILE}:"),
    "not text": (lambda top: (top / FILE[3:]).write_bytes(b"\xff\xfe"), f"{FILE}: not text: fetch"),
    "a number": (_text(lambda _: "5"), f"{FILE}: frames: not a list: 5: correct it"),
    "no frames": (_text(lambda _: '{"config": {}}'), f"{FILE}: frames: not a list: None: correct it"),
    "no frame": (_frames(lambda frames: frames.insert(0, 5)), f"{FILE}: frames[0]: not an object: 5"),
    "empty": (_text(lambda _: "[]"), f"{FILE}: holds no boxes in frames 1 to 4"),
    "no name": (_frames(lambda frames: frames[1].pop("name")), f"{FILE}: frames[1]: no `name`: correct it"),
    "no number": (
        _frames(lambda frames: frames[1].update(name="cover.jpg")),
        f"{FILE}: frames[1].name: 'cover.jpg' holds no frame number",
    ),
    "labels": (_frames(lambda frames: frames[1].update(labels={})), f"{FILE}: frames[1].labels: not a list: {{}}"),
    "size": (
        _frames(lambda frames: frames[0].update(size={"width": 5})),
        f"{FILE}: frames[0].size: no `height`: correct it",
    ),
    "no id": (_without("id"), f"{LABEL}: no `id`: correct it"),
    "no category": (_without("category"), f"{LABEL}: no `category`: correct it"),
    "no box": (_without("box2d"), f"{LABEL}: no `box2d`: correct it"),
    "id": (_label(id=[1]), f"{LABEL}.id: not text: [1]"),
    "category": (_label(category="tractor"), f"{LABEL}: no such category 'tractor': BDD100K's are pedestrian, rider"),
    "unmapped": (_label(category="bus"), f"{LABEL}: class 5 (bus) is mapped to nothing: add `bus: drop`"),
    "attributes": (_label(attributes="crowd"), f"{LABEL}.attributes: not an object: 'crowd'"),
    "no x2": (_label(box2d={"x1": 1, "y1": 1, "y2": 5}), f"{LABEL}.box2d: no `x2`: correct it"),
    "text": (_box(x2="9"), f"{LABEL}.box2d.x2: not a number: '9': correct it"),
    "true": (_box(x2=True), f"{LABEL}.box2d.x2: not a number: True"),
    "NaN": (_box(x2=float("nan")), f"{LABEL}.box2d.x2: no usable number: nan"),
    "huge": (_box(x2=10**400), f"{LABEL}.box2d.x2: no usable number: 1000"),
    "inside out": (_box(x2=-1), f"{LABEL}.box2d: ends before it begins"),
    "outside": (_box(x1=64, x2=70), f"{LABEL}: the box lies outside the frame (64x48)"),
    "twice": (_label(id="b-2"), f"{LABEL}: id 2 stands twice in frame 1 (also at"),
    "frame 0": (_frames(lambda frames: frames[1].update(name="v1-0000000.jpg")), "labels[0]: frames count from 1"),
    "another video": (
        _frames(lambda frames: frames[2].update(videoName="v9")),
        f"{FILE}: frames[2]: a frame of v9 in the file of v1: rename the file",
    ),
    "no images": (
        lambda top: shutil.rmtree(top / "images"),
        f"{FILE}: no folder of images named v1: let `path` list the images",
    ),
    "images twice": (
        lambda top: shutil.copytree(top / "images/track/train", top / "images/track/val"),
        f"{FILE}: 2 folders of images named v1",
    ),
    "a hole": (
        lambda top: (top / "images/track/train/v1/v1-0000002.jpg").unlink(),
        "in/images/track/train/v1: frame 2 is missing; frames reach 4",
    ),
    "no labels": (lambda top: shutil.rmtree(top / "labels"), "in: no sequence in it: no JSON file with labels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_labels_name_file_and_place(tmp_path: Path, name: str):
    spoil, words = WRONG[name]
    spoil(write_video(tmp_path / "in"))
    assert words in str(complaint(tmp_path / "in", BLOCK))


def test_frames_without_a_video(tmp_path: Path):
    write_images(tmp_path / "in", "train", "v1")
    frames = frames_of("v1")
    del frames[3]["videoName"]
    write_labels(tmp_path / "in/labels.json", frames)
    assert str(complaint(tmp_path / "in", BLOCK)).startswith("in/labels.json: frames[3]: no `videoName`: correct it")


def test_listing_reads_no_frame(tmp_path: Path):
    write_video(tmp_path / "in")
    for path in (tmp_path / "in/images").rglob("*.jpg"):
        path.write_bytes(b"")
    tree = tree_at(tmp_path / "in")
    seen: list[str] = []
    read = tree.read
    tree.read = lambda path: seen.append(path) or read(path)
    found = find_sequences(tree, source_of(BLOCK))
    assert seen == []
    assert len(found.entries["v1"].read().gt) == 5
    assert seen == ["labels/box_track_20/train/v1.json"]
