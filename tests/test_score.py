"""The two scoring stages over a small tree of sources, tracks and detections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from stages import score, score_detections
from stages.errors import InputError
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index

PARAMS = """
seed: 0
classes: [person, car]
sources:
  town:
    format: motchallenge
    path: nowhere
    labels: {1: walker, 2: car, 3: poster, 4: crowd}
    classes: {walker: person, car: car, poster: distractor, crowd: region}
    splits: {train: [t0], test: [t1, t2]}
  sky:
    format: motchallenge
    path: nowhere
    labels: {1: walker, 9: poster}
    classes: {walker: person, poster: distractor}
    splits: {test: [s1]}
  unused:
    format: motchallenge
    path: nowhere
    classes: {pedestrian: person}
    splits: {train: 1.0}
detector: {family: yolo, model: yolo11-pico}
curriculum: {stage1: {after: pretrained}}
weights: {path: scratch}
stage1:
  mixture: {sources: {town: {frames: 4}}}
  epochs: 1
  lr: 1.0e-3
  memory: {batch: 1, image_size: 64}
evaluation: {checkpoints: [stage1], detection: {}}
trackers: {bytetrack: {type: bytetrack}}
"""
LENGTH = 10
FRAME = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
TRACKS, DETECTIONS = Path("data/tracks/stage1/bytetrack"), Path("data/detections/stage1")


def truth_of(*objects: tuple[int, int]) -> np.ndarray:
    """Rows of gt.txt for objects (id, class), each 10 pixels behind the other, moving right."""
    rows = [[f, i, 20 * i + f, 30, 15, 30, 1, c, 1] for i, c in objects for f in range(1, LENGTH + 1)]
    return np.array(rows, float)


def write_sequence(source: str, name: str, split: str, gt: np.ndarray) -> dict:
    info = SequenceInfo(name, 10, 320, 192, LENGTH)
    write_archive(f"data/sources/{source}/{name}.zip", info, [FRAME] * LENGTH, gt)
    counts = {"frames": LENGTH, "fps": 10, "width": 320, "height": 192, "boxes": len(gt), "ids": 1, "sha256": "0"}
    return {"sequence": name, "split": split} | counts


def write_found(source: str, name: str, rows: np.ndarray) -> None:
    """``rows`` of ground truth as tracks and as detections; their class numbers are taken over."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    path = TRACKS / source / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{value:g}" for value in [*row[:6], 0.9, row[7], -1]) + "\n" for row in rows))
    table = pd.DataFrame({"frame": rows[:, 0].astype("int32")})
    for column, values in zip(
        ("x1", "y1", "x2", "y2"), (*rows[:, 2:4].T, *(rows[:, 2:4] + rows[:, 4:6]).T), strict=True
    ):
        table[column] = values.astype("float32")
    table["score"], table["class"] = np.float32(0.9), rows[:, 7].astype("int32") - 1
    path = DETECTIONS / source / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """`town` is tracked perfectly but for one missed car; `sky` (no cars) has a false car in each frame."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    t1, t2, s1 = truth_of((1, 1), (2, 2), (3, 3)), truth_of((1, 1), (4, 2)), truth_of((1, 1), (2, 1), (5, 9))
    t1 = np.concatenate([t1, [[5, 9, 200, 100, 100, 90, 1, 4, 1]]])  # a region
    town = [write_sequence("town", *each) for each in (("t0", "train", t1), ("t1", "test", t1), ("t2", "test", t2))]
    write_index(Path("data/sources/town"), town, {1: "walker", 2: "car", 3: "poster", 4: "crowd"})
    write_index(Path("data/sources/sky"), [write_sequence("sky", "s1", "test", s1)], {1: "walker", 9: "poster"})
    write_index(Path("data/sources/unused"), [write_sequence("unused", "u", "train", t2)], MOTCHALLENGE_LABELS)
    found = t1[t1[:, 7] != 4]
    found[found[:, 7] == 3, 7] = 1  # the poster is taken for a person
    in_region = np.array([[5, 8, 220, 110, 20, 40, 1, 1, 1]])
    write_found("town", "t1", np.concatenate([found, in_region]))
    write_found("town", "t2", t2[t2[:, 7] == 1])
    false = truth_of((9, 2))
    write_found("sky", "s1", np.concatenate([s1[s1[:, 7] == 1], false]))
    return tmp_path


def test_score_writes_sources_classes_and_pools(tree, monkeypatch):
    score.main("stage1", "bytetrack")
    result = json.loads(Path("metrics/scores/stage1/bytetrack.json").read_text())
    assert list(result) == ["town", "sky"]
    town, sky = result["town"], result["sky"]
    assert list(town) == ["pooled", "class_averaged", "classes"]
    assert list(town["classes"]) == ["person", "car"]
    assert [town["classes"]["person"][field] for field in ("HOTA", "MOTA", "IDF1", "FP", "TP")] == [1, 1, 1, 0, 20]
    assert [town["classes"]["car"][field] for field in ("MOTA", "IDF1", "FN", "ML")] == [0.5, 0.666667, 10, 1]
    assert town["class_averaged"]["MOTA"] == 0.75
    assert [town["pooled"][field] for field in ("MOTA", "IDF1", "GT_Dets", "IDs")] == [0.75, 0.857143, 40, 3]
    assert sky["classes"]["car"]["HOTA"] is None
    assert (sky["classes"]["car"]["FP"], sky["class_averaged"]["MOTA"], sky["pooled"]["MOTA"]) == (10, 1, 0.5)
    assert isinstance(town["pooled"]["FN"], int)


def test_score_writes_tables(tree, monkeypatch):
    score.main("stage1", "bytetrack")
    folder = Path("plots/scores/stage1/bytetrack")
    table = pd.read_csv(folder / "sequences.csv")
    keys = table[["source", "sequence", "class"]].agg("/".join, axis=1).tolist()
    names = ("town/t1", "town/t2", "sky/s1")
    assert keys == [f"{name}/{each}" for name in names for each in ("person", "car", "pooled")]
    assert table["MOTA"].tolist()[:6] == [1, 1, 1, 1, 0, 0.5]
    assert table["HOTA"].isna().tolist() == [False] * 7 + [True, False]
    assert ",10," in (folder / "sequences.csv").read_text().splitlines()[5]  # counts are whole numbers
    alphas = pd.read_csv(folder / "alphas.csv")
    assert list(alphas.columns) == ["source", "class", "alpha", "HOTA", "DetA", "AssA", "LocA"]
    assert alphas.groupby(["source", "class"], sort=False).size().to_dict() == {
        ("town", "person"): 19,
        ("town", "car"): 19,
        ("town", "pooled"): 19,
        ("sky", "person"): 19,
        ("sky", "pooled"): 19,
    }


def test_score_detections(tree, monkeypatch):
    score_detections.main("stage1")
    result = json.loads(Path("metrics/scores/stage1/detections.json").read_text())
    assert list(result) == ["town", "sky"]
    assert result["town"]["classes"]["person"] == {"mAP": 1, "mAP50": 1, "mAP75": 1}
    assert result["town"]["classes"]["car"]["mAP50"] == round(51 / 101, 6)  # half of the cars are found
    assert result["town"]["mAP"] == round((1 + 51 / 101) / 2, 6)
    assert result["sky"]["mAP"] == 1
    assert result["sky"]["classes"]["car"]["mAP"] is None


@pytest.mark.parametrize(("stage", "arguments"), [(score, ["stage1", "bytetrack"]), (score_detections, ["stage1"])])
def test_the_same_input_gives_the_same_bytes(tree, monkeypatch, stage, arguments):
    def outputs():
        stage.main(*arguments)
        return {path: path.read_bytes() for top in ("metrics", "plots") for path in sorted(Path(top).rglob("*.*"))}

    assert outputs() == outputs()


def break_tracks():
    path = TRACKS / "town" / "t1.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[0]]))
    return f"{path}:{len(lines) + 1}: the id stands twice in one frame"


def lose_tracks():
    path = TRACKS / "sky" / "s1.txt"
    path.unlink()
    return f"{path}: no such tracks"


def lose_archive():
    path = Path("data/sources/town/t2.zip")
    path.unlink()
    return f"{path}: no such sequence archive"


def unmap_a_class():
    Path("params.yaml").write_text(
        PARAMS.replace(", car: car, poster", ", poster").replace("[person, car]", "[person]")
    )
    return "data/sources/town/t1.zip: gt/gt.txt: class 2 is mapped to nothing"


def leave_no_test_split():
    for index in Path("data/sources").glob("*/index.csv"):
        index.write_text(index.read_text().replace(",test,", ",val,"))
    return "data/sources: no source has a test sequence"


@pytest.mark.parametrize("harm", [break_tracks, lose_tracks, lose_archive, unmap_a_class, leave_no_test_split])
def test_bad_input_is_one_error_and_leaves_nothing(tree, monkeypatch, harm):
    expected = harm()
    with pytest.raises(InputError) as caught:
        score.main("stage1", "bytetrack")
    assert str(caught.value).startswith(expected)
    assert not Path("metrics").exists()
    assert not Path("plots").exists()


def test_lost_detections_are_one_error(tree, monkeypatch):
    (DETECTIONS / "sky" / "s1.parquet").unlink()
    with pytest.raises(InputError, match="no such detections"):
        score_detections.main("stage1")
    assert not Path("metrics").exists()


def test_scoring_loads_no_network():
    code = "import sys, stages.score, stages.score_detections; print(sorted({'torch', 'boxmot'} & set(sys.modules)))"
    root = Path(score.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "[]\n"
