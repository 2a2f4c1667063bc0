"""A project in the working directory that a benchmark trains in: its params, its frames, and these for peers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.sequences.index import open_sequence
from tests.pipeline import ROOT, environment


def world(side: int, train: int, val: int, frames: int) -> dict:
    """A source of square street scenes of the embedded world: so many sequences of so many frames."""
    return {
        "format": "world",
        "view": "street",
        "sequences": {"train": train, "val": val},
        "frames": frames,
        "width": side,
        "height": side,
        "classes": {"person": "person", "car": "car", "hidden": "distractor"},
    }


def write_params(params: dict) -> None:
    """Write params.yaml, with the blocks that `check` wants to see even where they say nothing."""
    blocks = {key: {} for key in ("compute", "reid", "protocols", "gates", "videos", "explain", "report")}
    evaluation = {"boxes": "detections"} | params["evaluation"]
    whole = blocks | params | {"evaluation": evaluation}
    Path("params.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))


def run_stages(*stages: str) -> None:
    """Run stages by their commands, such as `mixture stage1`."""
    for stage in stages:
        name, *arguments = stage.split()
        timed("-m", f"stages.{name}", *arguments)


def timed(*arguments: str) -> float:
    """Seconds that Python took with these arguments; raises `RuntimeError` with what it said where it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=surroundings())
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


def surroundings() -> dict[str, str]:
    """The environment of commands: a home of their own, and modules of the repository."""
    return environment(Path("home").resolve()) | {"PYTHONPATH": str(ROOT)}


def export_yolo(stage: str, classes: Sequence[str], folder: Path = Path()) -> None:
    """Write a mixture's frames and targets in YOLO's format: images/SPLIT, labels/SPLIT and yolo.yaml."""
    reader = ClipReader(read_manifest(MIXTURES / stage))
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for clip in read_clips(MIXTURES / stage, split):
            name = f"{clip.sequence}-{clip.frames[0]:06d}"
            sequence = open_sequence(clip.source, clip.sequence)
            (folder / "images" / split / f"{name}.jpg").write_bytes(sequence.encoded(clip.frames[0]))
            targets, (width, height) = reader.targets(clip)[0], reader.size(clip)
            rows = [
                f"{label} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
                f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
                for (x1, y1, x2, y2), label in zip(targets.boxes, targets.classes, strict=True)
            ]
            (folder / "labels" / split / f"{name}.txt").write_text("".join(rows))
    names = dict(enumerate(classes))
    data = {"path": str(folder.resolve()), "train": "images/train", "val": "images/val", "names": names}
    (folder / "yolo.yaml").write_text(yaml.safe_dump(data))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
