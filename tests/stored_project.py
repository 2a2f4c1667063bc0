"""A project with one short test sequence a source, its detections, and params to change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from tracking_scenes import detections, scene

from stages.files import sha256_of, write_json
from stages.params.labels import WORLD_LABELS
from stages.sequences.detections import write_detections
from stages.sequences.index import write_index

ROOT = Path(__file__).resolve().parent.parent
LENGTH = 12
TABLE = detections(LENGTH, lambda f: [(40 + f, 50, 20, 40, 0.9, 1)])


def write_project(**changes: dict) -> None:
    """Write it into the working directory: the default params with blocks of them updated by ``changes``."""
    write_params(**changes)
    for source, fps in (("street", 10), ("air", 20)):
        folder = Path("data/sources", source)
        folder.mkdir(parents=True)
        sequence = scene(folder / "one.zip", fps=fps, length=LENGTH, pan=3)
        write_index(folder, [_row("one", "test", sequence), _row("seen", "train", sequence)], WORLD_LABELS)
        write_detections(Path("data/detections/stage1", source, "one.parquet"), TABLE)


def write_params(**changes: dict) -> None:
    """Write params.yaml: the project's own, with each named block updated."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block, values in changes.items():
        params[block] = params.get(block, {}) | values
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def write_needed(boxes: str = "detections", embeddings: tuple = (), camera_motion: tuple = ()) -> None:
    """Write what the stage `check` says that trackers use."""
    said = {"boxes": boxes, "embeddings": list(embeddings), "camera_motion": list(camera_motion)}
    write_json("data/features.json", said)


def _row(name: str, split: str, sequence) -> dict:
    info = sequence.info
    shape = {"frames": info.length, "fps": info.fps, "width": info.width, "height": info.height}
    return {"sequence": name, "split": split, **shape, "boxes": 1, "ids": 1, "sha256": sha256_of(sequence.path)}


def run(stage: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run a stage as DVC does, in the working directory."""
    command = [sys.executable, "-m", f"stages.{stage}", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": os.environ.get("HOME", "/tmp")}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def content(folder: str | Path) -> dict[str, bytes]:
    """Every file below ``folder``."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
