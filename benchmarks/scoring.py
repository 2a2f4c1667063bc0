"""Scoring against TrackEval's own data set and evaluator: ``python -m benchmarks.scoring``.

Both read the same files, of MOT17's training set's size (7 sequences, 5316 frames, 112,000 boxes), and compute HOTA,
CLEAR and Identity in one process. Prints both times, their ratio and the largest difference between the scores.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import trackeval

from stages.params.labels import MOTCHALLENGE_LABELS
from stages.scoring.metrics import over_sequences, score_sequence
from stages.sequences.annotations import format_gt, parse_gt, purposes
from stages.sequences.tracks import read_tracks

LENGTHS = {"a": 600, "b": 1050, "c": 837, "d": 525, "e": 654, "f": 900, "g": 750}
OBJECTS = 21  # a frame
ROLES = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {
    "pedestrian": "person",
    "static_person": "distractor",
    "reflection": "distractor",
}


def main() -> None:
    """Run both and print."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        boxes = sum(write_sequence(Path(folder), name, length, rng) for name, length in LENGTHS.items())
        start = time.perf_counter()
        theirs = run_trackeval(folder)
        middle = time.perf_counter()
        ours = run_ours(Path(folder))
        end = time.perf_counter()
    gaps = [np.abs(ours[name][field] - value).max() for name in theirs for field, value in theirs[name].items()]
    print(f"{boxes} boxes in {sum(LENGTHS.values())} frames")
    print(f"trackeval {middle - start:.2f} s, ours {end - middle:.2f} s, ratio {(end - middle) / (middle - start):.2f}")
    print(f"largest difference {max(gaps):.1e}")


def write_sequence(folder: Path, name: str, length: int, rng: np.random.Generator) -> int:
    """Write gt.txt and tracks of objects that live 100 frames; returns the number of annotated boxes."""
    rows = []
    for first in range(0, length, 100):
        frames = np.arange(first, min(first + 100, length)) + 1
        for number in range(OBJECTS):
            native = rng.choice([1, 1, 1, 1, 7, 12, 3])
            place = rng.uniform(0, [1800, 800]) + np.outer(frames - first, rng.normal(0, 2, 2))
            object_id = 1 + number + first * OBJECTS
            rows += [
                [f, object_id, *p.round(2), 60, 150, native == 1, native, 1] for f, p in zip(frames, place, strict=True)
            ]
    gt = np.array(rows, float)
    tracks = gt[rng.random(len(gt)) < 0.9]
    tracks[:, 2:4] += rng.normal(0, 6, (len(tracks), 2)).round(2)
    tracks[tracks[:, 0] % 50 > 25, 1] += 100_000
    tracks[:, 6:] = [0.9, 1, -1]
    for path, values in ((f"gt/{name}/gt/gt.txt", gt), (f"trackers/ours/data/{name}.txt", tracks)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(format_gt(values))
    return len(gt)


def run_trackeval(folder: str) -> dict[str, dict]:
    """Metric to field to value, over all sequences."""
    quiet = {"PRINT_CONFIG": False}
    places = {"GT_FOLDER": f"{folder}/gt", "TRACKERS_FOLDER": f"{folder}/trackers", "SKIP_SPLIT_FOL": True}
    switches = ("PRINT_RESULTS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES", "TIME_PROGRESS")
    kinds = trackeval.metrics
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = trackeval.datasets.MotChallenge2DBox(quiet | places | {"SEQ_INFO": dict(LENGTHS)})
        evaluator = trackeval.Evaluator(quiet | dict.fromkeys(switches, False))
        metrics = [kinds.HOTA(), kinds.CLEAR(quiet), kinds.Identity(quiet)]
        result = evaluator.evaluate([dataset], metrics)[0]["MotChallenge2DBox"]["ours"]["COMBINED_SEQ"]["pedestrian"]
    return {name: result[name] for name in ("HOTA", "CLEAR", "Identity")}


def run_ours(folder: Path) -> dict[str, dict]:
    """Metric to field to value, over all sequences."""
    results = {}
    for name, length in LENGTHS.items():
        gt = parse_gt((folder / f"gt/{name}/gt/gt.txt").read_text(), name)
        roles = purposes(gt, MOTCHALLENGE_LABELS, ROLES, ("person",))
        tracks = read_tracks(folder / f"trackers/ours/data/{name}.txt", length, 1)
        results[name] = score_sequence(gt, roles, tracks, length, ("person",), name)["person"]
    return over_sequences(results)


if __name__ == "__main__":
    main()
