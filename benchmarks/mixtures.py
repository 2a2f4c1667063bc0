"""Time and memory of drawing a mixture: ``python -m benchmarks.mixtures``.

A source of 500 sequences (120 frames each, 8 boxes a frame, 480 for training), a stage of 50,000 frames, and
`python -m stages.mixture` as a user runs it. Prints seconds (of the clock, and of this process' CPU time, which other
work on the machine does not lengthen) and peak memory beside the limits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import yaml

from stages.files import sha256_of
from stages.mixtures.mixture import Manifest, write_mixture
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index

ROOT = Path(__file__).resolve().parent.parent
SEQUENCES, FRAMES, BOXES = 500, 120, 8
ASKED, SECONDS, MEGABYTES = 50_000, 5.0, 500
WIDTH, HEIGHT = 32, 24


def main() -> None:
    """Write the source, draw three mixtures and print."""
    with tempfile.TemporaryDirectory() as folder:
        write_source(Path(folder))
        print(f"{ASKED} frames from {SEQUENCES} sequences of {FRAMES} frames, {BOXES} boxes a frame")
        for label, mixture in {
            "single frames": {},
            "clips of 4": {"clip_length": 4, "intervals": [0.2, 0.5]},
            "balanced": {"balance": {"classes": 1.0, "sizes": 1.0}},
        }.items():
            write_params(Path(folder), mixture)
            seconds, busy, megabytes = measure(Path(folder))
            good = "ok" if seconds < SECONDS and megabytes < MEGABYTES else "MISSED"
            figures = f"{seconds:6.2f} s (limit {SECONDS:g}, CPU {busy:.2f} s){megabytes:6.0f} MB (limit {MEGABYTES})"
            print(f"{label:14}{figures}  {good}")


def write_source(folder: Path) -> None:
    """Write `data/sources/town`: every frame another image, boxes that drift."""
    rng = np.random.default_rng(0)
    source, rows = folder / "data/sources/town", []
    for number in range(SEQUENCES):
        info = SequenceInfo(f"s{number:04d}", 20.0, WIDTH, HEIGHT, FRAMES)
        noise = rng.integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
        write_archive(
            source / f"{info.name}.zip", info, (cv2.imencode(".jpg", image)[1].tobytes() for image in noise), truth(rng)
        )
        split = "val" if number % 50 == 1 else "test" if number % 50 == 2 else "train"
        row = {"sequence": info.name, "split": split, "frames": FRAMES, "fps": info.fps, "width": WIDTH}
        row |= {"height": HEIGHT, "boxes": FRAMES * BOXES, "ids": BOXES}
        rows.append(row | {"sha256": sha256_of(source / f"{info.name}.zip")})
    write_index(source, rows, MOTCHALLENGE_LABELS)
    write_mixture(folder / "data/mixtures/pretrained", Manifest((), (), 0.0, {}), [])


def truth(rng: np.random.Generator) -> np.ndarray:
    """(FRAMES * BOXES, 9): objects that drift, one in eight a car."""
    frame, identity = np.divmod(np.arange(FRAMES * BOXES), BOXES)
    start, speed = rng.uniform(0, 900, (BOXES, 2)), rng.normal(0, 3, (BOXES, 2))
    place = start[identity] + speed[identity] * frame[:, None]
    size = rng.uniform(8, 200, (BOXES, 2))[identity]
    ones = np.ones(len(frame))
    columns = [frame + 1, identity + 1, *place.round(2).T, *size.round(2).T, ones, np.where(identity, 1, 3), ones]
    return np.stack(columns, axis=1)


def write_params(folder: Path, mixture: dict) -> None:
    """Write a params.yaml of one stage."""
    params = {
        "seed": 0,
        "classes": ["person", "car"],
        "sources": {
            "town": {
                "format": "motchallenge",
                "path": "town",
                "classes": {"pedestrian": "person", "car": "car"},
                "splits": {"train": 0.96, "val": 0.02, "test": 0.02},
            }
        },
        "detector": {"family": "yolo", "model": "yolo11-pico"},
        "weights": {"path": "scratch"},
        "curriculum": {"stage1": {"after": "pretrained"}},
        "stage1": {
            "mixture": {"sources": {"town": {"frames": ASKED}}} | mixture,
            "epochs": 1,
            "lr": 0.001,
            "memory": {"batch": 4, "image_size": 64},
        },
        "evaluation": {"checkpoints": ["stage1"], "detection": {}},
        "trackers": {"bytetrack": {"type": "bytetrack"}},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def measure(folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak resident megabytes of `python -m stages.mixture stage1`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "stages.mixture", "stage1"]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit("stages.mixture failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
