"""Scoring against TrackEval's own evaluation, as whole programs: ``python -m benchmarks.scoring``.

`stages.score` and TrackEval's evaluator (benchmarks/peers/trackeval_mot.py) score the same boxes, of MOT17's training
set's size (7 sequences, 5316 frames, 112,000 boxes), by HOTA, CLEAR and Identity, both in as many processes as there
are cores, in turn. Prints the median times, their ratio, the largest difference between all fields of all sequences,
and the peak memory of either and all its processes (resident, shared pages counted in each); beside them, the stage
with its table of every single mistake, which TrackEval has not. About a minute and a half.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.peers.trackeval_mot import evaluate
from benchmarks.project import cores, surroundings, write_params
from stages.params import load_params
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.scoring.metrics import over_sequences
from stages.scoring.scored import results_of, score
from stages.sequences.annotations import format_gt
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index
from stages.sequences.tracks import TRACKS

LENGTHS = {"a": 600, "b": 1050, "c": 837, "d": 525, "e": 654, "f": 900, "g": 750}
OBJECTS = 21  # a frame
REPEATS, POLL = 7, 0.01
MEMORY = 500  # MB
CHECKPOINT, TRACKER, SOURCE = "stage1", "tracker", "mot"
ROLES = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {
    "pedestrian": "person",
    "person_on_vehicle": "distractor",
    "static_person": "distractor",
    "distractor": "distractor",
    "reflection": "distractor",
}
METRICS = f"""
from functools import partial
from stages import score as stage
stage.score = partial(stage.score, with_mistakes=False)
stage.main("{CHECKPOINT}", "{TRACKER}")
"""
PARAMS = {
    "seed": 0,
    "classes": ["person"],
    "sources": {SOURCE: {"format": "motchallenge", "path": "nowhere", "classes": ROLES}},
    "protocols": {SOURCE: {"name": "mot17"}},
    "detector": {"family": "yolo", "model": "yolo11-pico"},
    "weights": {"path": "scratch"},
    "curriculum": {CHECKPOINT: {"after": "pretrained"}},
    CHECKPOINT: {
        "mixture": {"sources": {SOURCE: {"frames": 4}}},
        "epochs": 1,
        "lr": 0.001,
        "memory": {"batch": 1, "image_size": 64},
    },
    "evaluation": {"checkpoints": [CHECKPOINT], "detection": {}},
    "trackers": {TRACKER: {"type": "bytetrack"}},
}


def main() -> None:
    """Run both and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        boxes = write_project()
        print(f"{boxes} boxes in {sum(LENGTHS.values())} frames of {len(LENGTHS)} sequences, {cores()} cores")
        programs = {
            "trackeval": ("-m", "benchmarks.peers.trackeval_mot", "peer"),
            "ours": ("-c", METRICS),
            "with mistakes": ("-m", "stages.score", CHECKPOINT, TRACKER),
        }
        runs = {name: [] for name in programs}
        for _ in range(REPEATS):
            for name, command in programs.items():
                runs[name].append(run(*command))
        seconds = {name: median(time for time, _ in each) for name, each in runs.items()}
        for name, each in runs.items():
            print(f"{name:<14}{seconds[name]:6.2f} s{max(peak for _, peak in each):7.0f} MB")
        print(f"ours / trackeval: {seconds['ours'] / seconds['trackeval']:.2f} (at most 1), at most {MEMORY} MB")
        print(f"largest difference {difference():.1e}")


def write_project() -> int:
    """Write the sequences and tracks, for both; returns the number of annotated boxes."""
    rng, rows, total = np.random.default_rng(0), [], 0
    write_params(PARAMS)
    for name, length in LENGTHS.items():
        gt, tracks = boxes_of(length, rng)
        info = SequenceInfo(name, 30, 1920, 1080, length)
        write_archive(f"data/sources/{SOURCE}/{name}.zip", info, [b""] * length, gt)
        rows.append({"sequence": name, "split": "test", "frames": length, "fps": 30, "width": 1920, "height": 1080})
        rows[-1] |= {"boxes": len(gt), "ids": len(np.unique(gt[:, 1])), "sha256": ""}
        ours = TRACKS / CHECKPOINT / TRACKER / SOURCE / f"{name}.txt"
        peer = (Path("peer/gt", name, "gt/gt.txt"), Path("peer/trackers/ours/data", f"{name}.txt"))
        for path, values in ((peer[0], gt), (peer[1], tracks), (ours, tracks)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(format_gt(values))
        total += len(gt)
    write_index(Path("data/sources", SOURCE), rows, MOTCHALLENGE_LABELS)
    Path("peer/lengths.json").write_text(json.dumps(LENGTHS))
    return total


def boxes_of(length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth and tracks, (N, 9) each, of objects that live 100 frames."""
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
    return gt, tracks


def run(*arguments: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a Python program and all its processes."""
    start, peak = time.perf_counter(), 0
    process = psutil.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=surroundings())
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in family))
        time.sleep(POLL)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed")
    return time.perf_counter() - start, peak / 1e6


def difference() -> float:
    """The largest difference between any field of any sequence, or of all together."""
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = evaluate(Path("peer"), cores())
    scored = score(load_params(), TRACKS / CHECKPOINT / TRACKER, with_mistakes=False)
    ours = {sequence: classes["person"] for sequence, classes in results_of(scored, SOURCE).items()}
    ours["COMBINED_SEQ"] = over_sequences(ours)
    return max(
        float(np.abs(np.asarray(ours[sequence][metric][field]) - value).max())
        for sequence, metrics in theirs.items()
        for metric in ("HOTA", "CLEAR", "Identity", "Count")
        for field, value in metrics[metric].items()
    )


if __name__ == "__main__":
    main()
