from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import InputError
from tests.footage import picture
from tests.listing import read_set, write_images

DATA = """\
path: ../datasets/set  # where its author keeps it
train: images/train
val: [images/val]
test:
names:
  0: person
  1: car
"""
LABELS = {  # frames are 64x48
    "labels/train/a.txt": "0 0.5 0.5 0.25 0.5\n1 0.25 0.125 0.125 0.25\n",
    "labels/val/b.txt": "1 0.75 0.75 0.5 0.5 7\n",
}
IMAGES = ("images/train/a.jpg", "images/train/empty.jpg", "images/val/b.jpg")


def write_set(folder: Path, data: str = DATA, labels: dict[str, str] = LABELS, images: tuple = IMAGES) -> Path:
    write_images(folder, *images)
    for file, text in ({"data.yaml": data} | labels).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_every_image_is_a_sequence_of_length_one(tmp_path: Path, packed: bool):
    found = read_set(write_set(tmp_path / "in"), "yolo", packed)
    assert found.splits == {"train-a": "train", "train-empty": "train", "val-b": "val"}
    assert found.listing.labels == {0: "person", 1: "car"}
    still = found["train-a"]
    assert (still.fps, still.frames.count, still.normalised) == (1, 1, True)
    assert list(still.frames.encoded(range(1, 2))) == [picture(1)]
    assert still.gt[0].tolist() == [1, 1, 0.375, 0.25, 0.25, 0.5, 1, 0, 1]
    assert found.gt("train-a").tolist() == [[1, 1, 24, 12, 16, 24, 1, 0, 1], [1, 2, 12, 0, 8, 12, 1, 1, 1]]
    assert found.gt("val-b").tolist() == [[1, 7, 32, 24, 32, 24, 1, 1, 1]]
    assert found.gt("train-empty").shape == (0, 9)  # no label file: a picture of nothing
    assert still.at(1).endswith("labels/train/a.txt:2")


@pytest.mark.parametrize(
    "data",
    [
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['person', 'car']\n",  # as Roboflow writes
        "path: .\ntrain: train/images/\nval: valid/images\nnames: {0: person, 1: car}\n",
        "train: lists/train.txt\nval: lists/val.txt\nnames: [person, car]\n",
        "train: [lists/train.txt]\nval: lists/val.txt\nnames: [person, car]\npath: set/of\n",
    ],
)
def test_folders_and_lists_wherever_they_are(tmp_path: Path, data: str):
    images = ("train/images/a.jpg", "valid/images/b.png")
    labels = {"train/labels/a.txt": "1 0.5 0.5 1 1\n", "lists/train.txt": "./../train/images/a.jpg\n\n"}
    labels["lists/val.txt"] = "valid/images/b.png\n"
    found = read_set(write_set(tmp_path / "in", data, labels, images), "yolo")
    assert found.splits == {"train-a": "train", "valid-b": "val"}
    assert found.gt("train-a").tolist() == [[1, 1, 0, 0, 64, 48, 1, 1, 1]]


@pytest.mark.parametrize("packed", [False, True])
def test_folders_are_sequences_where_params_say_so(tmp_path: Path, packed: bool):
    images = tuple(f"images/train/walk/{number:06d}.jpg" for number in (2, 4, 10, 6, 8))
    images += ("images/val/park/f1.jpg",)
    labels = {
        "tracks/train/walk/000010.txt": "0 0.5 0.5 0.25 0.5 3\n1 0.5 0.5 0.25 0.5\n",
        "labels/train/walk/000010.txt": "no track ids here\n",
        "labels/train/walk/000002.txt": "1 0.5 0.5 0.25 0.5\n",
        "labels/val/park/f1.txt": "1 0.5 0.5 0.25 0.5\n",
    }
    data = DATA + "fps: {walk: 20, park: 5}\n"
    folder = write_set(tmp_path / "in", data, labels, images)
    found = read_set(folder, "yolo", packed, sequences=True)
    assert found.splits == {"walk": "train", "park": "val"}
    walk = found["walk"]
    assert (walk.fps, walk.frames.count) == (10, 5)  # every second frame of 20 a second
    assert walk.frames.paths(range(4, 6)) == ["images/train/walk/000008.jpg", "images/train/walk/000010.jpg"]
    assert walk.gt[:, :2].tolist() == [[1, 4], [5, 3], [5, 5]]
    assert read_set(folder, "yolo", sequences=True, fps=7)["walk"].fps == 7


def test_data_file_is_named_where_there_are_several(tmp_path: Path):
    folder = write_set(tmp_path / "in", labels=LABELS | {"other.yaml": DATA, "hyp.yaml": "lr0: 0.01\n"})
    with pytest.raises(InputError, match=r"^in: 2 YAML files with `names` in it: name the file in the source's `data`"):
        read_set(folder, "yolo")
    assert len(read_set(folder, "yolo", data="other.yaml").splits) == 3


def label(text: str) -> dict:
    return {"labels": {"labels/train/a.txt": text}}


BAD: dict[str, tuple[dict, str, str]] = {
    "four columns": (label("0 0.5 0.5 0.25\n"), "labels/train/a.txt:1: 4 columns, not 5 or 6", "correct"),
    "a polygon": (label("0 0.5 0.5 0.25 0.5\n0 0 0 1 0 1 1\n"), "a.txt:2: 7 columns, not 5 or 6", "correct"),
    "not a number": (label("\n0 0.5 x 0.25 0.5\n"), "a.txt:2: not a number: 'x'", "correct"),
    "nan": (label("0 0.5 nan 0.25 0.5\n"), "a.txt:1: a number is not finite", "correct"),
    "pixels": (label("0 0.5 0.5 0.25 0.5\n0 32 24 8 8\n"), "a.txt:2: a number above 1", "not pixels"),
    "negative": (label("0 0.5 0.5 -0.25 0.5\n"), "a.txt:1: a negative number", "from 0 to 1"),
    "no width": (label("0 0.5 0.5 0 0.5\n"), "a.txt:1: the box has no width or no height", "delete"),
    "class": (label("2 0.5 0.5 0.25 0.5\n"), "a.txt:1: no such class: data.yaml names 0 to 1", "correct"),
    "half a class": (label("0.5 0.5 0.5 0.25 0.5\n"), "a.txt:1: no such class", "correct"),
    "confidence": (label("0 0.5 0.5 0.25 0.5 0.87\n"), "a.txt:1: the sixth column is no track id: '0.87'", "whole"),
    "track twice": (label("0 .5 .5 .25 .5 3\n1 .5 .5 .25 .5 3\n"), "a.txt:2: id 3 stands twice", "a.txt:1"),
    "bytes": ({"labels": {"labels/train/a.txt": "\udcff"}}, "labels/train/a.txt: not text", "fetch"),
    "not YAML": ({"data": "names: [person\n"}, "in/data.yaml:2: not YAML", "mend that line"),
    "no names": ({"data": "train: images/train\n"}, "in: no YAML file with `names`", "`data` in params.yaml"),
    "names of nothing": ({"data": DATA.partition("names")[0] + "names:\n"}, "data.yaml: names: no names", "list them"),
    "name of a number": ({"data": DATA + "  2: 5\n"}, "data.yaml: names: 2: 5 is no number with a name", "correct"),
    "nc": ({"data": DATA + "nc: 80\n"}, "data.yaml: nc: 80 classes, and 2 names", "correct one"),
    "no splits": ({"data": "names: [person, car]\n"}, "in/data.yaml: names no images (train, val, test)", "folders"),
    "no folder": ({"data": DATA.replace("test:", "test: images/test")}, "test: no images at images/test", "take"),
    "a number": ({"data": DATA.replace("test:", "test: 5")}, "data.yaml: test: no folder and no list", "correct"),
    "two splits": (
        {"data": DATA.replace("[images/val]", "images")},
        "data.yaml: val: images/train/a.jpg stands",
        "one",
    ),
    "list": (
        {"data": "train: l.txt\nnames: [person, car]\n", "labels": {"l.txt": "./images/train/a.jpg\nimages/no.jpg\n"}},
        "in/l.txt:2: no image images/no.jpg",
        "take the line out",
    ),
    "a label's image": (
        {"data": "train: l.txt\nnames: [person, car]\n", "labels": {"l.txt": "data.yaml\n"}},
        "in/l.txt:1: data.yaml is no JPEG or PNG",
        "convert",
    ),
    "one name": ({"images": (*IMAGES, "images/train/a.png")}, "a.png: a second sequence named train-a", "rename"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_file_and_line(tmp_path: Path, name: str):
    changed, words, more = BAD[name]
    folder = write_set(tmp_path / "in", **{key: value for key, value in changed.items() if name != "bytes"})
    if name == "bytes":
        (folder / "labels/train/a.txt").write_bytes(b"0 \xff\n")
    with pytest.raises(InputError) as caught:
        found = read_set(folder, "yolo")
        for sequence in found.listing.entries:
            found.gt(sequence)
    line = str(caught.value)
    assert words in line and more in line and "\n" not in line


BAD_SEQUENCES = {
    "no rate": ({}, "in/data.yaml: fps: no frame rate for walk", "set the source's `fps`"),
    "rate": (
        {"data": "train: images/train\nnames: [person]\nfps: fast\n"},
        "data.yaml: fps: 'fast' is no frame rate",
        "`fps`",
    ),
    "no number": ({"images": "x"}, "walk/x.jpg: the name holds no frame number", "name frames"),
    "gap": ({"images": "7"}, "walk/7.jpg: frame 7 comes 5 behind the one before it, not 1", "evenly spaced"),
    "twice": ({"images": "002"}, "frame 2 stands twice in its sequence", "delete"),
    "two formats": ({"images": "3.png"}, "is not .jpg as the frames before it", "one image format"),
    "two splits": ({"data": "train: l.txt\nval: m.txt\nnames: [person]\n"}, "a sequence in train and val", "one split"),
}


@pytest.mark.parametrize("name", BAD_SEQUENCES)
def test_bad_sequences(tmp_path: Path, name: str):
    changed, words, more = BAD_SEQUENCES[name]
    third = changed.get("images", "3")
    third = third if "." in third else f"{third}.jpg"
    images = ("images/train/walk/1.jpg", "images/train/walk/2.jpg", f"images/train/walk/{third}")
    data = changed.get("data", "train: images/train\nnames: [person]\n" + ("" if name == "no rate" else "fps: 5\n"))
    labels = {"l.txt": "images/train/walk/1.jpg\n", "m.txt": "images/train/walk/2.jpg\n"}
    with pytest.raises(InputError) as caught:
        _ = read_set(write_set(tmp_path / "in", data, labels, images), "yolo", sequences=True)["walk"]
    assert words in str(caught.value) and more in str(caught.value)
