"""A clone of the repository in a temporary folder, with a small params.yaml, and DVC run in it as users do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent  # not resolved: the virtual environment's own folder

_SOURCE = {
    "format": "world",
    "sequences": {"train": 1, "val": 1, "test": 1},
    "frames": 16,
    "width": 160,
    "height": 96,
    "classes": {"person": "person", "car": "car", "hidden": "distractor"},
}


def _stage(source: str, **mixture: float) -> dict:
    return {
        "mixture": {"sources": {source: {"frames": 8}}, "validation_frames": 4, **mixture},
        "epochs": 1,
        "lr": 1.0e-3,
        "memory": {"batch": 4, "image_size": 160},
    }


SMALL = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {"street": _SOURCE | {"view": "street"}, "air": _SOURCE | {"view": "air"}},
    "detector": {"family": "yolo", "model": "yolov8-pico"},
    "weights": {"path": "scratch"},
    "compute": {"devices": 1},
    "curriculum": {"stage1": {"after": "pretrained"}, "stage2": {"after": "stage1"}},
    "stage1": _stage("street"),
    "stage2": _stage("air", replay=0.25),
    "evaluation": {
        "checkpoints": ["stage1", "stage2"],
        "boxes": "detections",
        "detection": {"min_score": 0.001, "max_objects": 20},
    },
    "reid": {},
    "protocols": {},
    "gates": {"street": {"max_forgetting": 1.0, "fail": True}},
    "videos": {"sequences": 1, "seconds": 60.0, "moments": 2},
    "explain": {"mistakes": 1},
    "report": {"price_per_hour": 1.2},
    "trackers": {"bytetrack": {"type": "bytetrack", "min_conf": 0.001, "track_thresh": 0.002}},
}


@dataclass(frozen=True)
class Clone:
    """A clone at ``folder``; commands run with ``environment``."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str, status: int | None = 0) -> str:
        """Run a command in the clone and check its exit status; returns what it printed, errors last."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=600
        )
        output = done.stdout + done.stderr
        assert status is None or done.returncode == status, f"{' '.join(command)} -> {done.returncode}\n{output}"
        return output

    def dvc(self, *arguments: str, status: int | None = 0) -> str:
        """Run DVC."""
        return self.run("dvc", *arguments, status=status)

    def git(self, *arguments: str) -> str:
        """Run git."""
        return self.run("git", *arguments)

    def commit(self, message: str) -> None:
        """Commit all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def params(self) -> dict:
        """Read params.yaml."""
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def write_params(self, params: Mapping) -> None:
        """Replace params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(dict(params), sort_keys=False))


def environment(home: Path, **more: str) -> dict[str, str]:
    """What commands run with: this Python first, a home of their own, no variable of an outer DVC or git."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_", "AWS_"))}
    identity = {f"GIT_{role}_{key}": "test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    home.mkdir(parents=True, exist_ok=True)
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    # DVC's S3 client wants configuration files to be real ones where they are named at all; the home has none.
    more = {key: value for key, value in more.items() if key not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    return kept | identity | path | {"PYTHONPATH": "", "DVC_NO_ANALYTICS": "1"} | more


def clone_repository(folder: Path, params: Mapping = SMALL, **more: str) -> Clone:
    """Copy the repository's files as they are into ``folder``, a git repository of its own, with ``params``."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("metrics/") and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    clone = Clone(folder, environment(folder.parent / "home", **more))
    clone.write_params(params)
    clone.git("init", "--quiet", "--initial-branch", "main")
    clone.commit("Begin")
    return clone
