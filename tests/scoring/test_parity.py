"""Scores against TrackEval's own data set and evaluator, the MOT15 devkit's published scores, and motmetrics."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest

from stages.params.sources import MOTCHALLENGE_LABELS
from stages.scoring.adapter import class_data, frames_of
from stages.scoring.metrics import over_sequences, score_sequence
from stages.sequences.annotations import format_gt, parse_gt, purposes
from stages.sequences.tracks import Tracks

MOT17_CLASSES = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {
    "pedestrian": "person",
    "person_on_vehicle": "distractor",
    "static_person": "distractor",
    "distractor": "distractor",
    "reflection": "distractor",
}
WITH_CARS = MOT17_CLASSES | {"car": "car", "bicycle": "car"}


def disturb(gt: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Tracks (N, 9) from all boxes of all classes: moved, dropped, ids swapped and broken, false alarms added."""
    tracks = gt[rng.random(len(gt)) > 0.15].copy()
    tracks[:, 2:6] += rng.normal(0, 0.08, (len(tracks), 4)) * tracks[:, [4, 5, 4, 5]]
    tracks[:, 4:6] = np.maximum(tracks[:, 4:6], 1)
    broken = (tracks[:, 1] % 3 == 0) & (tracks[:, 0] > length / 2)
    tracks[broken, 1] += 10_000
    swapped = np.isin(tracks[:, 1], (1, 2)) & (tracks[:, 0] % 4 == 0)
    tracks[swapped, 1] = 3 - tracks[swapped, 1]
    false = tracks[rng.random(len(tracks)) < 0.2]
    false[:, 1] += 20_000
    false[:, 2:4] += rng.normal(0, 40, (len(false), 2))
    tracks = np.concatenate([tracks, false])
    tracks[:, 6:] = [0.9, 1, -1]
    return tracks[np.lexsort((tracks[:, 1], tracks[:, 0]))].round(3)


def crowd(rng: np.random.Generator, length: int = 40, objects: int = 40) -> np.ndarray:
    """Ground truth of MOT17's twelve classes, dense enough that boxes of all purposes overlap."""
    start, speed = rng.uniform(0, 300, (objects, 2)), rng.normal(0, 2, (objects, 2))
    size = rng.uniform(40, 80, (objects, 2))
    native = rng.choice([1, 1, 1, *range(2, 13)], objects)
    rows = []
    for frame in range(1, length + 1):
        for number in np.flatnonzero(rng.random(objects) < 0.9):
            confidence = int(native[number] == 1 and rng.random() < 0.9)
            place = (start[number] + frame * speed[number]).round(2)
            rows.append([frame, number + 1, *place, *size[number].round(2), confidence, native[number], 1])
    return np.array(rows, dtype=float)


def as_tracks(rows: np.ndarray, number: int = 0) -> Tracks:
    whole = rows.astype(np.int64)
    return Tracks(whole[:, 0], whole[:, 1], rows[:, 2:6], np.full(len(rows), number))


def write_files(folder, sequences):
    for name, (gt, tracks, _) in sequences.items():
        (folder / "gt" / name / "gt").mkdir(parents=True)
        (folder / "gt" / name / "gt" / "gt.txt").write_text(format_gt(gt))
        (folder / "trackers" / "ours" / "data").mkdir(parents=True, exist_ok=True)
        (folder / "trackers" / "ours" / "data" / f"{name}.txt").write_text(format_gt(tracks))


def reference(folder, sequences) -> dict:
    """TrackEval's own results: sequence (or COMBINED_SEQ) to metric to field."""
    import trackeval

    write_files(folder, sequences)
    quiet = {"PRINT_CONFIG": False}
    config = quiet | {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder / "trackers"),
        "SKIP_SPLIT_FOL": True,
        "SEQ_INFO": {name: length for name, (_, _, length) in sequences.items()},
    }
    switches = ("PRINT_RESULTS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES", "TIME_PROGRESS")
    metrics = trackeval.metrics
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = trackeval.Evaluator(
            quiet | dict.fromkeys(switches, False) | {"LOG_ON_ERROR": None, "BREAK_ON_ERROR": True}
        )
        results, _ = evaluator.evaluate(
            [trackeval.datasets.MotChallenge2DBox(config)],
            [metrics.HOTA(), metrics.CLEAR(quiet), metrics.Identity(quiet)],
        )
    return {name: result["pedestrian"] for name, result in results["MotChallenge2DBox"]["ours"].items()}


def ours(sequences, mapping, classes) -> dict:
    results = {}
    for name, (gt, tracks, length) in sequences.items():
        roles = purposes(gt, MOTCHALLENGE_LABELS, mapping, classes)
        found = as_tracks(tracks, classes.index("person"))
        results[name] = score_sequence(gt, roles, found, length, classes, name)["person"]
    return results | {"COMBINED_SEQ": over_sequences(results)}


def assert_equal(ours: dict, theirs: dict):
    for sequence, metrics in theirs.items():
        for metric in ("HOTA", "CLEAR", "Identity"):
            assert ours[sequence][metric].keys() == metrics[metric].keys()
            for field, value in metrics[metric].items():
                where = f"{sequence} {metric} {field}"
                np.testing.assert_allclose(ours[sequence][metric][field], value, rtol=0, atol=1e-9, err_msg=where)


@pytest.fixture(scope="module")
def mot17(real_data):
    """Ground truth of the five sequences, with the frames that are there."""
    files = sorted((real_data / "mot17-mini").glob("*/gt/gt.txt"))
    gts = {path.parent.parent.name: parse_gt(path.read_text(), str(path)) for path in files}
    return {name: (gt, int(gt[:, 0].max())) for name, gt in gts.items()}


@pytest.mark.parametrize(
    ("seed", "mapping", "classes"),
    [
        (0, MOT17_CLASSES, ("person",)),
        (1, MOT17_CLASSES, ("person",)),
        (2, WITH_CARS, ("car", "person")),  # what the other classes are for changes nothing
    ],
)
def test_mot17_equals_trackevals_own_data_set(mot17, tmp_path, seed, mapping, classes):
    rng = np.random.default_rng(seed)
    sequences = {name: (gt, disturb(gt, length, rng), length) for name, (gt, length) in mot17.items()}
    theirs = reference(tmp_path, sequences)
    assert 0.2 < theirs["COMBINED_SEQ"]["HOTA"]["HOTA"].mean() < 0.9
    assert_equal(ours(sequences, mapping, classes), theirs)


@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_equals_trackevals_own_data_set(tmp_path, seed):
    rng = np.random.default_rng(seed)
    gts = {f"crowd-{number}": crowd(rng) for number in range(2)}
    sequences = {name: (gt, disturb(gt, 40, rng), 40) for name, gt in gts.items()}
    theirs = reference(tmp_path, sequences)
    assert theirs["COMBINED_SEQ"]["CLEAR"]["IDSW"] > 10
    assert_equal(ours(sequences, WITH_CARS, ("person", "car")), theirs)


def tud(real_data, name):
    folder = real_data / "mot15-tud" / name
    gt = parse_gt((folder / "gt.txt").read_text(), "gt.txt")
    tracks = as_tracks(np.loadtxt(folder / "test.txt", delimiter=",")[:, :9])
    roles = purposes(gt, MOTCHALLENGE_LABELS, MOT17_CLASSES, ("person",))
    return gt, roles, tracks, int(max(gt[:, 0].max(), tracks.frames.max()))


# The devkit's column to TrackEval's metric and field; shares are printed in percent with one digit.
PUBLISHED = {
    "IDF1": ("Identity", "IDF1"),
    "IDP": ("Identity", "IDP"),
    "IDR": ("Identity", "IDR"),
    "Rcll": ("CLEAR", "CLR_Re"),
    "Prcn": ("CLEAR", "CLR_Pr"),
    "GT": ("Count", "GT_IDs"),
    "MT": ("CLEAR", "MT"),
    "PT": ("CLEAR", "PT"),
    "ML": ("CLEAR", "ML"),
    "FP": ("CLEAR", "CLR_FP"),
    "FN": ("CLEAR", "CLR_FN"),
    "IDs": ("CLEAR", "IDSW"),
    "FM": ("CLEAR", "Frag"),
    "MOTA": ("CLEAR", "MOTA"),
    "MOTP_devkit": ("CLEAR", "MOTP"),
    "HOTA": ("HOTA", "HOTA"),
    "DETA": ("HOTA", "DetA"),
    "ASSA": ("HOTA", "AssA"),
}


@pytest.mark.parametrize("sequence", ["TUD-Campus", "TUD-Stadtmitte"])
@pytest.mark.parametrize("column", PUBLISHED)
def test_published_scores(real_data, sequence, column):
    published = json.loads((real_data / "mot15-tud" / "reference_scores.json").read_text())[sequence]
    assert published.keys() == PUBLISHED.keys()
    gt, roles, tracks, length = tud(real_data, sequence)
    metric, field = PUBLISHED[column]
    value = np.mean(score_sequence(gt, roles, tracks, length, ("person",), sequence)["person"][metric][field])
    printed = float(f"{100 * value:.1f}") if isinstance(published[column], float) else value
    assert printed == published[column]


def motmetrics_of(data: dict) -> dict:
    """IDF1 and MOTA by motmetrics, from distances that we compute."""
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for gt_ids, track_ids, similarity in zip(
        data["gt_ids"], data["tracker_ids"], data["similarity_scores"], strict=True
    ):
        distances = np.where(similarity >= 0.5, 1 - similarity, np.nan)
        accumulator.update(gt_ids.tolist(), track_ids.tolist(), distances)
    summary = motmetrics.metrics.create().compute(accumulator, metrics=["idf1", "mota"])
    return {name: float(summary[name].iloc[0]) for name in ("idf1", "mota")}


@pytest.mark.parametrize("case", ["TUD-Campus", "TUD-Stadtmitte", "crowd"])
def test_motmetrics_agrees(request, case):
    if case == "crowd":
        rng = np.random.default_rng(5)
        gt, length = crowd(rng), 40
        roles = purposes(gt, MOTCHALLENGE_LABELS, MOT17_CLASSES, ("person",))
        tracks = as_tracks(disturb(gt, length, rng))
    else:
        gt, roles, tracks, length = tud(request.getfixturevalue("real_data"), case)
    score = score_sequence(gt, roles, tracks, length, ("person",), case)["person"]
    theirs = motmetrics_of(class_data(frames_of(gt, roles, tracks, length, case), 0))
    assert score["Identity"]["IDF1"] == pytest.approx(theirs["idf1"], abs=1e-6)
    assert score["CLEAR"]["MOTA"] == pytest.approx(theirs["mota"], abs=1e-3)
