"""The two scoring stages over a small tree of sources, tracks and detections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from stages import detect, score, score_detections
from stages.errors import InputError
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.scoring.parts import read_parts
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index
from tests.params_read import declared, read

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
    assert list(town) == ["pooled", "class_averaged", "detection_weighted", "classes", "intervals"]
    assert town["intervals"]["pooled"] == "none: 2 of 2 sequences have ground truth, an interval needs 5"
    assert list(town["classes"]) == ["person", "car"]
    assert [town["classes"]["person"][field] for field in ("HOTA", "MOTA", "IDF1", "FP", "TP")] == [1, 1, 1, 0, 20]
    assert [town["classes"]["car"][field] for field in ("MOTA", "IDF1", "FN", "ML")] == [0.5, 0.666667, 10, 1]
    assert town["class_averaged"]["MOTA"] == town["detection_weighted"]["MOTA"] == 0.75
    assert [town["pooled"][field] for field in ("MOTA", "IDF1", "GT_Dets", "IDs")] == [0.75, 0.857143, 40, 3]
    assert sky["classes"]["car"]["HOTA"] is None
    assert (sky["classes"]["car"]["FP"], sky["class_averaged"]["MOTA"], sky["pooled"]["MOTA"]) == (10, 1, 0.5)
    assert isinstance(town["pooled"]["FN"], int)


def test_score_writes_every_mistake_and_the_sums(tree, monkeypatch):
    score.main("stage1", "bytetrack")
    plots = Path("plots/scores/stage1/bytetrack")
    mistakes, causes = pd.read_csv(plots / "mistakes.csv"), pd.read_csv(plots / "causes.csv")
    counted = mistakes.groupby(["source", "class", "kind"]).size()
    assert counted.to_dict() == {("town", "car", "miss"): 10, ("sky", "car", "false alarm"): 10}
    assert mistakes[mistakes["source"] == "town"]["sequence"].unique().tolist() == ["t2"]
    totals = causes.set_index(["source", "class", "kind"])["all"]
    assert totals[totals > 0].to_dict() == counted.to_dict()
    assert {name: parts.sequences for name, parts in read_parts(plots / "parts.csv").items()} == {
        "town": ("t1", "t2"),
        "sky": ("s1",),
    }


def scores():
    """What the stage writes: its summary, and sequences.csv."""
    score.main("stage1", "bytetrack")
    table = pd.read_csv("plots/scores/stage1/bytetrack/sequences.csv")
    return json.loads(Path("metrics/scores/stage1/bytetrack.json").read_text()), table


def test_processes_change_nothing(tree, monkeypatch):
    def outputs(cores):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        score.main("stage1", "bytetrack")
        return {path: path.read_bytes() for top in ("metrics", "plots") for path in sorted(Path(top).rglob("*.*"))}

    assert outputs(1) == outputs(3)
    break_tracks()
    with pytest.raises(InputError, match="the id stands twice in one frame"):
        outputs(3)


def test_postprocessed_tracks_are_scored_beside_the_raw_ones(tree, monkeypatch):
    before = scores()[0]
    for name in ("t1", "t2"):
        text = (TRACKS / "town" / f"{name}.txt").read_text()
        path = TRACKS / "town.post" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("10,")))
    result, table = scores()
    post = result["town"].pop("post")
    assert result == before
    assert list(post) == list(before["town"])
    assert (post["classes"]["person"]["FN"], before["town"]["classes"]["person"]["FN"]) == (2, 0)
    assert table["source"].drop_duplicates().tolist() == ["town", "town.post", "sky"]
    assert pd.read_csv("plots/scores/stage1/bytetrack/alphas.csv")["source"].unique().tolist() == ["town", "sky"]


def test_a_sequence_without_ground_truth_is_named_and_not_scored(tree, monkeypatch, capsys):
    write_sequence("town", "t2", "test", np.zeros((0, 9)))
    result, table = scores()
    assert result["town"]["not_scored"] == ["t2"]
    assert result["town"]["pooled"]["GT_Dets"] == 20  # of t1
    assert table["sequence"].unique().tolist() == ["t1", "s1"]
    assert capsys.readouterr().err == "note: town: t2 has no ground truth: tracked, not scored\n"
    write_sequence("town", "t1", "test", np.zeros((0, 9)))
    result, table = scores()
    empty = result["town"]["pooled"]
    assert {"HOTA", "MOTA", "IDF1", "FP"} < empty.keys()
    assert set(empty.values()) == {None}
    assert result["town"]["classes"] == {"person": empty, "car": empty}
    assert (result["town"]["class_averaged"], result["town"]["detection_weighted"]) == (None, None)
    assert table["sequence"].unique().tolist() == ["s1"]
    write_sequence("sky", "s1", "test", np.zeros((0, 9)))
    result, table = scores()
    assert result["sky"]["not_scored"] == ["s1"]
    assert len(table) == 0


def test_a_sequence_without_tracks_misses_everything(tree, monkeypatch):
    (TRACKS / "sky" / "s1.txt").write_text("")
    sky = scores()[0]["sky"]["pooled"]
    assert [sky[field] for field in ("HOTA", "MOTA", "IDF1", "FN", "FP", "Dets")] == [0, 0, 0, 20, 0, 0]


def test_the_protocol_is_the_params(tree, monkeypatch):
    before = scores()[0]
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text + "protocols: {town: {name: skyward, min_height: 30.5}}\n")
    result = scores()[0]
    assert result["sky"] == before["sky"]
    assert [result["town"]["pooled"][field] for field in ("HOTA", "GT_Dets", "Dets")] == [None, 0, 0]


def test_score_writes_tables(tree, monkeypatch):
    score.main("stage1", "bytetrack")
    folder = Path("plots/scores/stage1/bytetrack")
    table = pd.read_csv(folder / "sequences.csv")
    keys = table[["source", "sequence", "class"]].agg("/".join, axis=1).tolist()
    names = ("town/t1", "town/t2", "sky/s1")
    together = ("pooled", "class_averaged", "detection_weighted")
    assert keys == [f"{name}/{each}" for name in names for each in ("person", "car", *together)]
    averages = table[table["class"].isin(together[1:])]
    assert averages["MOTA"].tolist() == [1, 1, 0.5, 0.5, 1, 1]  # sky has no cars
    table = table.drop(averages.index)
    assert table["MOTA"].tolist()[:6] == [1, 1, 1, 1, 0, 0.5]
    assert table["HOTA"].isna().tolist() == [False] * 7 + [True, False]
    assert ",10," in (folder / "sequences.csv").read_text().splitlines()[7]  # counts are whole numbers
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
    person = result["town"]["classes"]["person"]
    assert list(result["town"]) == [*person, "classes"]
    expected = {"mAP": 1, "mAP50": 1, "mAP75": 1, "mAP_small": 1, "mAP_medium": None, "AR100": 1, "AR_small": 1}
    assert {name: person[name] for name in expected} == expected  # all boxes are small
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


def replace_a_line(new):
    def harm():
        path = TRACKS / "town" / "t1.txt"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:4], new, *lines[5:]]))
        return f"{path}:5: "

    return harm


def lose_tracks():
    path = TRACKS / "sky" / "s1.txt"
    path.unlink()
    return f"{path}: no such tracks"


def lose_archive():
    path = Path("data/sources/town/t2.zip")
    path.unlink()
    return f"{path}: no such sequence archive"


def spoil_a_box():
    truth = truth_of((1, 1))
    truth[3, 2] = np.nan
    write_sequence("town", "t1", "test", truth)
    return "data/sources/town/t1.zip: gt/gt.txt:4: not finite"


def unmap_a_class():
    Path("params.yaml").write_text(
        PARAMS.replace(", car: car, poster", ", poster").replace("[person, car]", "[person]")
    )
    return "data/sources/town/t1.zip: gt/gt.txt: class 2 is mapped to nothing"


def leave_no_test_split():
    for index in Path("data/sources").glob("*/index.csv"):
        index.write_text(index.read_text().replace(",test,", ",val,"))
    return "data/sources: no source has a test sequence"


@pytest.mark.parametrize(
    "harm",
    [
        break_tracks,
        *map(replace_a_line, ("2,1,nan,2,3,4,0.9,1,-1", "11,1,1,2,3,4,0.9,1,-1", "0,1,1,2,3,4,0.9,1,-1", "2,1,1")),
        lose_tracks,
        lose_archive,
        spoil_a_box,
        unmap_a_class,
        leave_no_test_split,
    ],
)
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


def test_dvc_knows_the_params_that_are_read(tree):
    names = {"evaluation", "trackers"}  # which there are to score
    assert read(score, lambda: score.main("stage1", "bytetrack")) == declared("score") | names
    found = read(score_detections, lambda: score_detections.main("stage1"))
    assert found == declared("score_detections") | {"evaluation"}


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (lambda: score.main("stage9", "bytetrack"), "stage9: no such checkpoint: params.yaml has stage1: did you"),
        (lambda: score.main("stage1", "nosuch"), "nosuch: no such tracker: params.yaml has bytetrack"),
        (lambda: score_detections.main("stage9"), "stage9: no such checkpoint: params.yaml has stage1: did you"),
        (lambda: detect.main("stage9"), "stage9: no such checkpoint: params.yaml has stage1: did you"),
    ],
)
def test_a_name_that_params_lack(tree, run, line):
    with pytest.raises(InputError) as caught:
        run()
    assert str(caught.value).startswith(line)
