from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.errors import InputError
from tests.footage import picture
from tests.listing import read_set, write_images

SIDES = ("x_min_normalized", "y_min_normalized", "x_max_normalized", "y_max_normalized")
IMAGES = ("images/a.jpg", "images/b.jpg", "images/walk/1.jpg", "images/walk/2.jpg", "images/walk/3.jpg")


def box(label: str, *sides: float, **more: object) -> dict:
    return {"annotation_label": label, **dict(zip(SIDES, sides, strict=True)), **more}


def line(image: str, *boxes: dict, **more: object) -> dict:
    return {"image_path": image, "bounding_box_annotations": list(boxes), **more}


STILLS = [  # frames are 64x48
    line("images/a.jpg", box("person", 0.25, 0.5, 0.5, 1.0), box("car", -0.125, 0, 0.125, 0.25, score=0.5), source="x"),
    line("images/b.jpg"),
]
WALK = [
    line("walk/3.jpg", box("person", 0.5, 0, 1, 1, track_id="b"), video_id="walk", frame=9),
    line("walk/1.jpg", box("person", 0, 0, 0.5, 1, track_id="b"), video_id="walk", frame=5),
    line("walk/2.jpg", box("car", 0, 0, 0.5, 1, track_id="a", ignore=True), video_id="walk", frame=7),
]


def write_set(folder: Path, *lines: object, file: str = "train.jsonl") -> Path:
    write_images(folder, *IMAGES)
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_without_a_sequence_is_one_by_itself(tmp_path: Path, packed: bool):
    found = read_set(write_set(tmp_path / "in", STILLS[0], "", STILLS[1]), "jsonl", packed)
    assert found.splits == {"a": "train", "b": "train"}
    assert found.listing.labels == {1: "car", 2: "crowd", 3: "person"}
    still = found["a"]
    assert (still.fps, still.frames.count, still.normalised) == (1, 1, True)
    assert list(still.frames.encoded(range(1, 2))) == [picture(1)]
    assert found.gt("a").tolist() == [[1, 1, 16, 24, 16, 24, 1, 3, 1], [1, 2, -8, 0, 16, 12, 1, 1, 1]]
    assert found.gt("b").shape == (0, 9)
    assert still.at(1).endswith("train.jsonl:1: bounding_box_annotations[1]")


@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_a_sequence_are_its_frames(tmp_path: Path, packed: bool):
    lines = [{**each, "fps": 20} for each in WALK]
    found = read_set(write_set(tmp_path / "in", *lines, file="data/val.jsonl"), "jsonl", packed)
    assert found.splits == {"walk": "val"}
    walk = found["walk"]
    assert walk.fps == 10  # every second frame of 20 a second
    assert walk.frames.paths(range(1, 4)) == [f"images/walk/{number}.jpg" for number in (1, 2, 3)]
    assert found.gt("walk").tolist() == [
        [1, 1, 0, 0, 32, 48, 1, 2, 1],
        [2, 2, 0, 0, 32, 48, 1, 1, 1],
        [3, 1, 32, 0, 32, 48, 1, 2, 1],
    ]
    assert walk.at(2).endswith("val.jsonl:1: bounding_box_annotations[0]")


def test_timestamps_give_order_and_rate(tmp_path: Path):
    lines = [{key: value for key, value in each.items() if key != "frame"} for each in WALK]
    for each, time in zip(lines, (10.2, 10.0, 10.1), strict=True):
        each |= {"timestamp": time}
    folder = write_set(tmp_path / "in", *lines)
    assert read_set(folder, "jsonl")["walk"].fps == pytest.approx(10, rel=1e-5)
    assert read_set(folder, "jsonl")["walk"].frames.paths(range(1, 2)) == ["images/walk/1.jpg"]
    assert read_set(folder, "jsonl", fps=9)["walk"].fps == 9


def test_other_spellings_and_kept_marks(tmp_path: Path):
    single = box("x", 0, 0, 0.5, 1, instance_id=4, confidence=0, visibility=0.25)
    single["annotation_labels"] = [single.pop("annotation_label")]
    other = {"image_paths": ["walk/1.jpg"], "bounding_box_annotation": single, "sequence": 12, "extra": {}}
    found = read_set(write_set(tmp_path / "in", other), "jsonl")
    assert found.gt("12").tolist() == [[1, 4, 0, 0, 32, 48, 0, 2, 0.25]]
    assert found.listing.labels == {1: "crowd", 2: "x"}


def with_box(**changed: object) -> list:
    return [line("images/a.jpg", box("car", 0, 0, 1, 1), {**box("car", 0, 0, 0.5, 0.5), **changed})]


def walk(number: int, **changed: object) -> list:
    return [each | (changed if place == number else {}) for place, each in enumerate(WALK)]


BAD: dict[str, tuple[list, str, str]] = {
    "broken": ([STILLS[0], '{"image_path": "a.jpg",}'], "train.jsonl:2: broken JSON", "column 24"),
    "a list": (["[1]"], "train.jsonl:1: not an object", "in braces"),
    "no path": ([{"bounding_box_annotations": []}], "train.jsonl:1: `image_path` is no path", "add"),
    "outside": ([line("../a.jpg")], "train.jsonl:1: `image_path` is no path within", "correct"),
    "no image": ([*STILLS, line("images/c.jpg")], "train.jsonl:3: no image in/images/c.jpg", "put it there"),
    "none at all": ([line("c.jpg")], "in/train.jsonl: none of its images is there", "`images`"),
    "twice": ([*STILLS, STILLS[1]], "train.jsonl:3: a second image or sequence named b", "rename"),
    "no list": (
        [line("images/a.jpg") | {"bounding_box_annotations": "x"}],
        "jsonl:1: `bounding_box_annotations`",
        "give",
    ),
    "no object": ([line("images/a.jpg", 5)], "jsonl:1: bounding_box_annotations[0]: not an object", "correct"),
    "no label": (with_box(annotation_label=None), "[1]: `annotation_label` is not one name", "add"),
    "two labels": (with_box(annotation_label=["a", "b"]), "[1]: `annotation_label` is not one name", "add"),
    "no side": (with_box(y_min_normalized=None), "[1]: `y_min_normalized` is no number: None", "add"),
    "text": (with_box(y_min_normalized="0"), "[1]: `y_min_normalized` is no number: '0'", "correct"),
    "nan": (with_box(y_min_normalized=float("nan")), "[1]: `y_min_normalized` is no number: nan", "correct"),
    "pixels": (with_box(x_max_normalized=32), "[1]: `x_max_normalized` is 32, far outside 0 to 1", "not pixels"),
    "negative size": (with_box(x_max_normalized=-0.5), "[1]: the box ends before it begins", "order"),
    "no size": (with_box(x_max_normalized=0), "[1]: the box ends before it begins", "delete"),
    "outside the frame": (
        with_box(x_min_normalized=1.2, x_max_normalized=1.5),
        "[1]: the box lies outside the frame",
        "delete",
    ),
    "confidence": (with_box(confidence="high"), "[1]: `confidence` or `visibility` is no number", "correct"),
    "id": (with_box(track_id=[1]), "[1]: the track id is no number and no text", "correct"),
    "frame": (walk(1, frame=1.5), "train.jsonl:2: `frame` is no whole number: 1.5", "correct"),
    "same frame": (walk(1, frame=9), "train.jsonl:2: frame 9 stands twice", "delete"),
    "gap": (walk(0, frame=12), "train.jsonl:1: frame 12 comes 5 behind", "evenly spaced"),
    "timestamp": (walk(1, timestamp="now"), "train.jsonl:2: `timestamp` is no number: 'now'", "seconds"),
    "rate": (walk(1, fps=0), "train.jsonl:2: `fps` is no frame rate: 0", "correct"),
    "sequence": (walk(1, video_id=1.5), "train.jsonl:2: the sequence is no text and no whole number", "correct"),
    "no rate": (WALK, "train.jsonl:2: no frame rate for walk", "set the source's `fps`"),
    "times": (
        [each | {"timestamp": time} for each, time in zip(WALK, (1.0, 0.0, 0.1), strict=True)],
        "train.jsonl:3: 0.1 s behind the frame before it",
        "evenly spaced",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_file_and_line(tmp_path: Path, name: str):
    lines, words, more = BAD[name]
    with pytest.raises(InputError) as caught:
        found = read_set(write_set(tmp_path / "in", *lines), "jsonl")
        for sequence in found.listing.entries:
            found.gt(sequence)
    line = str(caught.value)
    assert words in line and more in line and "\n" not in line


def test_no_line_at_all(tmp_path: Path):
    with pytest.raises(InputError, match=r"^in: no line in its JSONL files"):
        read_set(write_set(tmp_path / "in"), "jsonl")
    with pytest.raises(InputError, match=r"^in: no \.jsonl file in it: correct `path`"):
        read_set(write_set(tmp_path / "other/in", file="x.txt"), "jsonl")
