"""Small MOTChallenge sequences, a project folder around them, and the command that downloads."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, FPS = 64, 48, 10
CLASSES = {"pedestrian": "person", "car": "car"}


def picture(frame: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A JPEG that differs from frame to frame."""
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) + 7 * frame
    pixels = np.stack([ramp % 256, ramp // 2 % 256, ramp // 3 % 256], axis=2).astype(np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def gt_text(frames: int) -> str:
    """A walker (id 1, class 1) that moves one pixel a frame, and a parked car (id 2, class 3)."""
    return "".join(f"{n},1,{5 + n},10,8,16,1,1,1\n{n},2,40,20,10,6,1,3,0.5\n" for n in range(1, frames + 1))


def write_sequence(folder: Path, name: str = "", frames: int = 6, length: int | None = None, first: int = 1) -> Path:
    """Write a sequence into ``folder``, whose first picture is number ``first``; returns it."""
    for part in ("img1", "gt"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for frame in range(1, frames + 1):
        (folder / f"img1/{frame:06d}.jpg").write_bytes(picture(frame + first - 1))
    (folder / "gt/gt.txt").write_text(gt_text(frames))
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name or folder.name}\nimDir=img1\nframeRate={FPS}\nseqLength={length or frames}\n"
        f"imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
    )
    return folder


def pack(folder: Path, archive: Path) -> Path:
    """ZIP the content of ``folder``; returns the archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path, path.relative_to(folder))
    return archive


def _filled(source: dict) -> dict:
    default = {"format": "motchallenge", "classes": CLASSES}
    return default | ({} if "ranges" in source else {"splits": {"test": 1.0}}) | source


@dataclass
class Project:
    """A folder with a params.yaml of its own, in which stages run."""

    folder: Path

    def write_params(self, **sources: dict) -> None:
        """Write params.yaml with ``sources``; format, classes and splits are filled in where missing."""
        filled = {
            name: source if source.get("format") == "world" else _filled(source) for name, source in sources.items()
        }
        stage = {
            "mixture": {"sources": {next(iter(sources)): {"frames": 4}}},
            "epochs": 1,
            "lr": 0.001,
            "memory": {"batch": 2, "image_size": 64},
        }
        params = {
            "seed": 0,
            "classes": ["person", "car"],
            "sources": filled,
            "detector": {"family": "yolo", "model": "yolo11-pico"},
            "weights": {"path": "scratch"},
            "curriculum": {"stage1": {"after": "pretrained"}},
            "stage1": stage,
            "evaluation": {"checkpoints": ["stage1"], "detection": {}},
            "trackers": {"bytetrack": {"type": "bytetrack"}},
        }
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def download(self, source: str = "footage", **environment: str) -> subprocess.CompletedProcess:
        """Run `python -m stages.download SOURCE` in the folder."""
        return subprocess.run(
            [sys.executable, "-m", "stages.download", source],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )

    def index(self, source: str = "footage") -> list[str]:
        """The lines of index.csv without their sha256."""
        text = (self.folder / "data/sources" / source / "index.csv").read_text()
        return [line.rpartition(",")[0] for line in text.splitlines()]
