"""Every format that a source is written in, read back; and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.exporting import FORMATS, export_source
from stages.files import sha256_of
from stages.params import load_params
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import open_sequence, read_index, read_labels, write_index
from stages.sources.intake import build_source
from tests.footage import HEIGHT, ROOT, WIDTH, Project, picture
from tests.readers import TOWN

LABELS = {1: "pedestrian", 3: "car", 13: "crowd"}
CLASSES = {"pedestrian": "person", "car": "car", "crowd": "region"}
READERS = {"coco-video": "coco"}
# Frame, id, left, top, width, height, confidence, class, visibility; the frames are 64x48.
WALK = [
    [1, 4, 5.123456, 10, 8, 16.25, 1, 1, 0.333333],
    [1, 9, 40, 20, 10, 6, 1, 3, 1],
    [1, 2, 0, 0, 30, 12, 1, 13, 1],
    [2, 4, 6.5, 10, 8, 16, 0, 1, 0.25],
    [4, 9, -2.5, 30, 10, 20.5, 1, 3, 0.5],  # over two edges; nothing in frame 3
]
PARK = [[1, 70001, 1 / 3, 2, 3, 4, 1, 3, 1], [2, 70001, 1.5, 2, 3, 4, 1, 3, 0]]
SEQUENCES = {"walk": ("train", 4, 29.97, WALK), "yard": ("train", 2, 5.0, PARK), "park": ("test", 2, 12.5, PARK)}


def write_source(folder: Path, sequences: dict = SEQUENCES) -> None:
    """A source as `download` leaves it."""
    folder.mkdir(parents=True)
    rows = []
    for seed, (name, (split, length, fps, gt)) in enumerate(sequences.items()):
        info = SequenceInfo(name, fps, WIDTH, HEIGHT, length)
        frames = [picture(100 * seed + n) for n in range(1, length + 1)]
        write_archive(folder / f"{name}.zip", info, frames, np.array(gt).reshape(-1, 9))
        counts = {"boxes": len(gt), "ids": 0, "sha256": sha256_of(folder / f"{name}.zip")}
        size = {"width": WIDTH, "height": HEIGHT}
        rows.append({"sequence": name, "split": split, "frames": length, "fps": fps, **size, **counts})
    write_index(folder, rows, LABELS)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    write_source(tmp_path / "data/sources/town")
    return Project(tmp_path)


def read_back(project: Project, format: str, classes: dict = CLASSES, **keys: object) -> None:
    """Build a source `back` from the folder `out`."""
    block = {"format": READERS.get(format, format), "path": "out", "classes": classes, "splits": None, **keys}
    if format == "yolo":
        block["sequences"] = keys.get("sequences", True)
    if format == "motchallenge":
        block["labels"] = {
            int(number): name for number, name in json.loads(Path("out/labels.json").read_text()).items()
        }
    project.write_params(back=block, other=TOWN)
    build_source("back", load_params())


def named(source: str, sequence: str) -> tuple[np.ndarray, list[str]]:
    """A sequence's rows by frame and place, class numbers left out, and its classes' names."""
    gt, labels = open_sequence(source, sequence).gt(), read_labels(source)
    gt = gt[np.lexsort((gt[:, 3], gt[:, 2].round(3), gt[:, 0]))]
    return np.delete(gt, 7, axis=1), [labels[int(number)] for number in gt[:, 7]]


# What the boxes are exact to, in pixels; and the columns beside them that a format holds.
HELD = {
    "motchallenge": (1e-9, ["id", "confidence", "visibility"]),
    "coco-video": (1e-9, ["id", "confidence", "visibility"]),
    "yolo": (1e-4, ["id"]),
    "jsonl": (1e-8, ["id", "confidence", "visibility"]),
}
COLUMN = {"id": 1, "confidence": 6, "visibility": 7}


def compare(format: str, sequence: str, copy: str) -> None:
    precision, columns = HELD[format]
    (first, names), (second, names_again) = named("town", sequence), named("back", copy)
    assert names == names_again
    assert first[:, 0].tolist() == second[:, 0].tolist()
    assert np.abs(first[:, 2:6] - second[:, 2:6]).max(initial=0) <= precision
    for column in columns:
        assert first[:, COLUMN[column]] == pytest.approx(second[:, COLUMN[column]], abs=1e-9), column


@pytest.mark.parametrize("format", HELD)
def test_round_trip_of_sequences(project: Project, format: str):
    export_source(format, "town", "out")
    read_back(project, format)
    index = read_index("back")
    shown = index[["sequence", "split", "frames", "fps"]].values.tolist()
    assert shown == [["park", "test", 2, 12.5], ["walk", "train", 4, 29.97], ["yard", "train", 2, 5.0]]
    for name in SEQUENCES:
        compare(format, name, name)
        first, second = open_sequence("town", name), open_sequence("back", name)
        frames = range(1, first.info.length + 1)
        assert [first.encoded(n) for n in frames] == [second.encoded(n) for n in frames]


def test_motchallenge_is_the_same_archive_again(project: Project):
    export_source("motchallenge", "town", "out")
    read_back(project, "motchallenge")
    for name in SEQUENCES:
        assert Path(f"data/sources/back/{name}.zip").read_bytes() == Path(f"data/sources/town/{name}.zip").read_bytes()
    assert Path("out/train/walk/gt/gt.txt").read_text().splitlines()[0] == "1,4,5.123456,10,8,16.25,1,1,0.333333"


def test_coco_makes_every_frame_an_image_and_loses_ids_and_rates(project: Project):
    export_source("coco", "town", "out")
    read_back(project, "coco")
    index = read_index("back").set_index("sequence")
    assert len(index) == 8
    assert set(index["fps"]) == {1.0}
    assert index.loc["test-park-000002", "split"] == "test"
    rows = np.concatenate([open_sequence("back", f"train-walk-00000{n}").gt() for n in (1, 2, 3, 4)])
    walk = np.array(WALK)
    assert rows[:, 2:].tolist() == walk[:, 2:].tolist()
    assert rows[:, 1].tolist() == [1, 2, 3, 1, 1]  # a number of its own in every image
    document = json.loads(Path("out/annotations/train.json").read_text())
    assert document["images"][1] == {"id": 2, "file_name": "train/walk/000002.jpg", "width": 64, "height": 48}
    assert document["annotations"][2] == {
        "id": 3,
        "image_id": 1,
        "category_id": 13,
        "bbox": [0, 0, 30, 12],
        "area": 360,
        "iscrowd": 1,
        "mot_conf": 1,
        "visibility": 1,
    }


def test_coco_is_what_pycocotools_reads(project: Project, capsys: pytest.CaptureFixture):
    coco = pytest.importorskip("pycocotools.coco")
    export_source("coco", "town", "out")
    loaded = coco.COCO("out/annotations/train.json")
    assert sorted(loaded.getImgIds()) == [1, 2, 3, 4, 5, 6]
    assert [len(loaded.getAnnIds(imgIds=[n])) for n in (1, 2, 3, 4)] == [3, 1, 0, 1]
    assert loaded.getAnnIds(iscrowd=True) == [3]


def test_coco_video_has_what_its_tools_look_for(project: Project):
    export_source("coco-video", "town", "out")
    document = json.loads(Path("out/annotations/train.json").read_text())
    video = {"id": 1, "name": "walk", "fps": 29.97, "length": 4, "width": 64, "height": 48}
    assert document["videos"][0] == video
    assert [(image["video_id"], image["frame_id"]) for image in document["images"]] == [
        *((1, n) for n in range(4)),
        *((2, n) for n in range(2)),
    ]
    tracks = [(box["video_id"], box["track_id"], box["instance_id"]) for box in document["annotations"]]
    assert tracks == [(1, 4, 1), (1, 9, 2), (1, 2, 3), (1, 4, 1), (1, 9, 2), (2, 70001, 4), (2, 70001, 4)]


def test_yolo_is_what_its_trainer_takes(project: Project, capsys: pytest.CaptureFixture):
    from ultralytics.data.utils import img2label_paths, verify_image_label

    export_source("yolo", "town", "out")
    assert capsys.readouterr().err == (
        "warning: town: YOLO cannot hold all of it: 1 boxes with confidence 0, written like others\n"
    )
    images = sorted(str(path) for path in Path("out/images").resolve().rglob("*.jpg"))
    for image, label in zip(images, img2label_paths(images), strict=True):
        file, boxes, *_, corrupt, message = verify_image_label((image, label, "", False, 3, 0, 0, False))
        assert (file, corrupt, message) == (image, 0, "")
        assert len(boxes) == len(Path(label).read_text().splitlines())
    assert Path("out/labels/train/walk/000001.txt").read_text().splitlines()[1] == (
        "1 0.703125000 0.479166667 0.156250000 0.125000000"
    )
    assert Path("out/tracks/train/walk/000001.txt").read_text().splitlines()[1].split()[5] == "9"
    assert Path("out/labels/train/walk/000003.txt").read_text() == ""


def test_yolo_cuts_what_no_trainer_takes(project: Project, capsys: pytest.CaptureFixture):
    gt = [[1, 1, -10, 10, 12, 12, 1, 1, 1], [1, 2, -20, 10, 12, 12, 0, 1, 1], [1, 3, 0, -2, 8, 60, 1, 1, 1]]
    write_source(Path("data/sources/edge"), {"edge": ("train", 2, 5.0, gt)})
    export_source("yolo", "edge", "out")
    assert "2 boxes cut at the image's edge; 1 boxes outside the image left out" in capsys.readouterr().err
    read_back(project, "yolo")
    rows, _ = named("back", "edge")
    assert rows[:, 1:6] == pytest.approx(np.array([[3, 0, 0, 8, 48], [1, 0, 10, 2, 12]]), abs=1e-4)


def test_jsonl_holds_boxes_over_the_edge(project: Project, capsys: pytest.CaptureFixture):
    gt = [[1, 1, -60, 10, 120, 12, 1, 1, 1], [1, 2, -100, 10, 120, 12, 1, 1, 1]]
    write_source(Path("data/sources/edge"), {"edge": ("train", 2, 5.0, gt)})
    export_source("jsonl", "edge", "out")
    assert "1 boxes cut or left out" in capsys.readouterr().err
    first = json.loads(Path("out/train.jsonl").read_text().splitlines()[0])
    assert {key: first[key] for key in ("image_path", "sequence", "frame", "timestamp", "fps")} == {
        "image_path": "images/train/edge/000001.jpg",
        "sequence": "edge",
        "frame": 1,
        "timestamp": 0.0,
        "fps": 5,
    }
    read_back(project, "jsonl", {"pedestrian": "person"})
    rows, _ = named("back", "edge")
    assert rows[:, 2:6] == pytest.approx(np.array([[-64, 10, 84, 12], [-60, 10, 120, 12]]))


@pytest.mark.parametrize("format", ["coco", "yolo", "jsonl"])
def test_round_trip_of_still_images(project: Project, format: str):
    stills = {f"set-{n}": ("train", 1, 1.0, [[1, 1, n, 2, 3.5, 4, 1, 3, 1]]) for n in (1, 2)}
    stills["set-3"] = ("val", 1, 1.0, [])
    write_source(Path("data/sources/stills"), stills)
    export_source(format, "stills", "out")
    assert Path("out/images/train/set-2.jpg").is_file()
    read_back(project, format, {"car": "car"}, **({"sequences": False} if format == "yolo" else {}))
    index = read_index("back")
    assert index[["sequence", "split", "boxes"]].values.tolist() == [
        ["train-set-1", "train", 1],
        ["train-set-2", "train", 1],
        ["val-set-3", "val", 0],
    ]
    rows, names = named("back", "train-set-2")
    assert (rows[0, 2:6], names) == (pytest.approx([2, 2, 3.5, 4], abs=1e-4), ["car"])
    assert open_sequence("back", "val-set-3").gt().shape == (0, 9)


def test_round_trip_of_real_sequences(project: Project, real_data: Path):
    from stages.params.labels import MOTCHALLENGE_LABELS

    classes = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {"pedestrian": "person", "car": "car"}
    names = ("MOT17-02-FRCNN", "MOT17-05-FRCNN")
    block = {"format": "motchallenge", "path": str(real_data / "mot17-mini"), "classes": classes}
    block |= {"splits": {"train": [names[0]], "test": [names[1]]}, "take": {"sequences": list(names)}}
    project.write_params(real=block)
    build_source("real", load_params())
    Path("data/sources/town").rename("data/sources/other")
    Path("data/sources/real").rename("data/sources/town")  # what `compare` compares with
    counts = {name: len(open_sequence("town", name).gt()) for name in names}
    for format in HELD:
        export_source(format, "town", "out")
        shown = set(MOTCHALLENGE_LABELS.values())
        if format == "jsonl":  # knows the classes that some line shows
            shown = {name for sequence in names for name in named("town", sequence)[1]}
        read_back(project, format, {name: classes[name] for name in classes if name in shown})
        assert read_index("back")["split"].tolist() == ["train", "test"]
        for name in names:
            if format != "yolo" or name != names[1]:  # MOT17-05 has boxes that are larger than the frame
                assert len(open_sequence("back", name).gt()) == counts[name] > 50
                compare(format, name, name)
        Path("out").rename(f"{format}-out")


# --- the command


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "stages.export", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_the_command_writes_a_folder_at_once(project: Project):
    ended = run("coco", "town", "made/out")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    files = sorted(str(path.relative_to("made")) for path in Path("made").rglob("*") if path.is_file())
    assert files[:3] == ["out/annotations/test.json", "out/annotations/train.json", "out/images/test/park/000001.jpg"]
    assert len(files) == 10
    again = run("coco", "town", "made/out")
    assert (again.returncode, again.stderr) == (
        1,
        "error: made/out: is there already: name another folder, or delete it\n",
    )


WRONG: dict[str, tuple[tuple[str, str, str], str]] = {
    "near": (("Coco_vido", "town", "out"), "Coco_vido: no such format: did you mean `coco-video`?"),
    "far": (("pascal", "town", "out"), "formats are motchallenge, coco, coco-video, yolo, jsonl"),
    "source": (("coco", "city", "out"), "data/sources/city/index.csv: no such index: run `dvc repro download@city`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words(project: Project, name: str):
    arguments, words = WRONG[name]
    with pytest.raises(InputError) as caught:
        export_source(*arguments)
    assert words in str(caught.value)
    assert not Path("out").exists()


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(picture(102)) + 50] ^= 255  # yard's second frame
    path.write_bytes(content)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("spoil", [_damage, Path.unlink])
def test_a_broken_archive_leaves_nothing(project: Project, format: str, spoil: Callable[[Path], None]):
    spoil(Path("data/sources/town/yard.zip"))
    with pytest.raises(InputError, match=r"data/sources/town/yard\.zip: (damaged, or not|no such sequence archive)"):
        export_source(format, "town", "out")
    assert sorted(path.name for path in Path().iterdir()) == ["data"]
