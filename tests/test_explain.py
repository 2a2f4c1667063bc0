"""`python -m stages.explain` as a whole, on rectangles: the table, the pictures, and nothing half-written."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.detectors.card import Card
from stages.detectors.checkpoint import save_checkpoint
from stages.errors import InputError
from stages.explain import EXPLAIN, main
from stages.explaining.table import COLUMNS, file_name
from stages.files import remove, write_table
from stages.scoring import mistakes as scoring
from stages.sequences.detections import write_detections
from tests.detectors.families import fresh
from tests.footage import ROOT
from tests.rectangles import boxes_of, write_params, write_source

FOLDER = EXPLAIN / "stage1"
MISTAKES = Path("plots/scores/stage1/bytetrack/mistakes.csv")


def mistake(kind: str, frame: int, label: str = "person", **changes: object) -> dict:
    """A row of mistakes.csv: the rectangle of a class, missed, or taken by a track that is none."""
    left, top, width, height = map(float, boxes_of(frame)[0 if label == "person" else 1])
    row = {"source": "street", "sequence": "t", "frame": frame, "class": label, "kind": kind, "cause": "other"}
    row |= {"left": left, "top": top, "width": width, "height": height, "crowding": 0.0, "iou": 0.0}
    return row | ({"gt_id": 1, "visibility": 1.0} if kind == "miss" else {"track_id": 1}) | changes


def write_mistakes(*rows: dict) -> None:
    write_table(MISTAKES, ("source", "sequence", *scoring.COLUMNS), rows)


ROWS = (
    mistake("miss", 1),
    mistake("miss", 2, "car", gt_id=2, source="air"),
    mistake("false alarm", 2, "car", iou=0.3, iou_with="distractor"),
    mistake("false alarm", 3, "car", track_id=2),
    mistake("switch", 3, gt_id=9),
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for source in ("street", "air"):
        write_source(tmp_path, source, {"t": ("test", 4, 10.0)})
    write_params(tmp_path)
    detector = fresh("yolo", "tiny.yaml")
    save_checkpoint(Path("models/stage1"), detector.network.state_dict(), Card(detector.architecture, 64))
    left, top, width, height = boxes_of(2)[1]
    table = np.array([[2, left, top, left + width, top + height, 0.8, 1]])
    for source, rows in (("street", table), ("air", table[:0])):
        write_detections(Path("data/detections/stage1", source, "t.parquet"), rows)
    write_mistakes(*ROWS)
    return tmp_path


def rows() -> list[dict]:
    with (FOLDER / "explain.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_a_row_and_a_picture_of_each_mistake_and_the_same_bytes_twice():
    main("stage1")
    first, told = written(), rows()
    assert set(first) == {"01.jpg", "02.jpg", "03.jpg", "04.jpg", "explain.csv"}
    assert list(told[0]) == list(COLUMNS) and [row["file"] for row in told] == sorted(first)[:4]
    # Sources as params.yaml lists them, misses before false alarms, the surer one first.
    assert [(r["source"], r["kind"], r["frame"], r["class"]) for r in told] == [
        ("street", "miss", "1", "person"),
        ("street", "false alarm", "2", "car"),
        ("street", "false alarm", "3", "car"),
        ("air", "miss", "2", "car"),
    ]
    assert [(r["gt_id"], r["track_id"]) for r in told] == [("1", ""), ("", "1"), ("", "2"), ("2", "")]
    assert [(r["fate"], r["score"]) for r in told[1:2]] == [("detected", "0.8")]
    assert [(r["overlap"], r["overlap_with"]) for r in told[1:3]] == [("0.3", "distractor"), ("0", "")]
    for row in told:
        assert 0 <= float(row["heat_inside"]) <= 1 and row["method"] in ("gradient", "eigen")
        size = 12 * 24 if row["class"] == "person" else 20 * 14
        assert float(row["expected_inside"]) == pytest.approx(size / 64**2, rel=1e-4)
        assert row["sentence"].startswith("Missed " if row["kind"] == "miss" else "False alarm of ")
        picture = Image.open(FOLDER / row["file"])
        assert picture.format == "JPEG" and picture.width == 640 and len(first[row["file"]]) < 100_000
    (FOLDER / "left.txt").touch()
    main("stage1")
    assert written() == first  # what was left from before is gone
    assert [path.name for path in EXPLAIN.iterdir()] == ["stage1"]


def test_as_many_as_params_say():
    write_params(Path(), {"explain.mistakes": 1})
    main("stage1")
    assert [row["frame"] for row in rows()] == ["1", "2", "2"]
    assert [file_name(number, 100) for number in (1, 100)] == ["001.jpg", "100.jpg"]


def test_tracked_ground_truth_is_said():
    write_params(Path(), {"evaluation.boxes": "ground_truth"})
    main("stage1")
    assert all("the tracker was given annotated boxes" in row["sentence"] for row in rows())


def test_classes_of_a_checkpoint_are_found_by_name_and_lacking_ones_named():
    detector = fresh("yolo", "tiny.yaml", ("bus", "car"))
    remove(Path("models/stage1"))
    save_checkpoint(Path("models/stage1"), detector.network.state_dict(), Card(detector.architecture, 64))
    main("stage1")
    assert [row["fate"] == "unknown" for row in rows()] == [True, False, False, False]
    assert "the checkpoint knows no such class" in rows()[0]["sentence"] and rows()[0]["score"] == ""


def test_one_class():
    mapping = {"pedestrian": "person", "car": "drop"}
    changes = {f"sources.{source}.classes": mapping for source in ("street", "air")}
    write_params(Path(), {"classes": ["person"]} | changes)
    write_mistakes(ROWS[0], mistake("false alarm", 3))
    detector = fresh("yolo", "tiny.yaml", ("person",))
    remove(Path("models/stage1"))
    save_checkpoint(Path("models/stage1"), detector.network.state_dict(), Card(detector.architecture, 64))
    for source in ("street", "air"):
        write_detections(Path("data/detections/stage1", source, "t.parquet"), np.zeros((0, 7)))
    main("stage1")
    assert [(row["kind"], row["class"]) for row in rows()] == [("miss", "person"), ("false alarm", "person")]


@pytest.mark.parametrize(("mistakes", "count"), [((), 3), ((ROWS[4],), 3), (ROWS, 0)])
def test_nothing_to_explain_loads_no_network(mistakes: tuple, count: int):
    """A table of a header, as of sequences without ground truth, one of switches alone, and `mistakes: 0`."""
    write_mistakes(*mistakes)
    write_params(Path(), {"explain.mistakes": count})
    remove(Path("models"))
    code = "import sys, stages.explain; stages.explain.main('stage1'); print({'torch', 'cv2'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("set()\n", "")
    assert written() == {"explain.csv": (",".join(COLUMNS) + "\n").encode()}


BAD = {
    "no table of mistakes": (
        lambda: MISTAKES.unlink(),
        "no such table of mistakes",
        "dvc repro score@stage1-bytetrack",
    ),
    "no row of it": (lambda: write_mistakes(ROWS[0] | {"left": "x"}), "mistakes.csv:2: no mistake", "dvc repro score@"),
    "no such class": (lambda: write_mistakes(ROWS[0] | {"class": "boat"}), "`boat` is none of", "dvc repro score@"),
    "no checkpoint": (lambda: remove(Path("models/stage1")), "no such checkpoint", "dvc repro"),
    "no detections": (lambda: remove(Path("data/detections/stage1/street")), "no such detections", "detect@stage1"),
    "no sequence": (lambda: Path("data/sources/street/t.zip").unlink(), "no such sequence archive", "dvc repro"),
    "no such frame": (lambda: write_mistakes(mistake("miss", 77)), "t.zip: damaged", "dvc repro"),
    "no weights of it": (lambda: Path("models/stage1/model.safetensors").write_bytes(b"x"), "model.safetensors", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_leaves_what_was_there(case: str):
    damage, what, remedy = BAD[case]
    FOLDER.mkdir(parents=True)
    (FOLDER / "explain.csv").write_text("of a run before")
    before = written()
    damage()
    with pytest.raises(InputError) as caught:
        main("stage1")
    line = str(caught.value)
    assert what in line and remedy in line and "\n" not in line
    assert written() == before and [path.name for path in EXPLAIN.iterdir()] == ["stage1"]


def test_an_unknown_checkpoint_is_one_line():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.explain", "stage9"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    line = "error: stage9: no such checkpoint: params.yaml has stage1: did you mean `stage1`?\n"
    assert (ended.returncode, ended.stderr) == (1, line)
    assert [path.name for path in Path("plots").iterdir()] == ["scores"]


def test_without_a_tracker_there_is_nothing_to_explain():
    document = yaml.safe_load(Path("params.yaml").read_text()) | {"trackers": {}, "gates": {}}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    remove(Path("models"))  # no network is loaded
    main("stage1")
    assert (FOLDER / "explain.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert [path.name for path in FOLDER.iterdir()] == ["explain.csv"]
