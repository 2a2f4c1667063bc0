"""Kills a running `dvc repro`: the stage that trains, DVC itself, or both, at a moment of choice."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from safetensors import safe_open

from stages.files import sha256_of
from tests.pipeline import SMALL, Clone, clone_repository

TARGET = "finetune@stage1"
VICTIMS = ("stage", "dvc", "both")
_TRIED = 20  # epochs that tell how fast the machine is


def lasting_project(folder: Path, seconds: float, detector: dict[str, str] = SMALL["detector"]) -> tuple[Clone, int]:
    """A clone in which one stage trains for about so many ``seconds`` on this machine, and all before it has run.

    Returns the number of epochs, too; each has two steps. A run is saved once a second: one that is to be killed some
    times must last, however fast the machine is. DVC's shell is one that, on Debian, outlives a dvc that is killed.
    """
    clone = clone_repository(folder, _params(_TRIED, detector), SHELL="/bin/sh")
    clone.dvc("repro", TARGET)
    [table] = (clone.folder / ".skyward/runs").glob("stage1-*/steps.csv")
    with table.open() as file:
        ends = [float(row["seconds"]) for row in csv.DictReader(file)]
    epochs = math.ceil(seconds / (ends[-1] - ends[_TRIED - 1]) * _TRIED / 2)  # the first half warms up
    clone.write_params(_params(epochs, detector))
    forget(clone)
    return clone, epochs


def _params(epochs: int, detector: dict[str, str]) -> dict:
    stage = SMALL["stage1"] | {"epochs": epochs, "validate_every": max(1, epochs // 4)}
    return SMALL | {"stage1": stage, "detector": detector}


def result(clone: Clone) -> tuple[str, str]:
    """What a run leaves, by its hashes: the weights and the curves."""
    return (
        sha256_of(clone.folder / "models/stage1/model.safetensors"),
        sha256_of(clone.folder / "plots/training/stage1.csv"),
    )


def forget(clone: Clone) -> None:
    """Remove the results, DVC's record of them, and what runs were saved as."""
    for folder in ("models/stage1", "plots/training", ".skyward/runs", ".dvc/cache/runs"):
        subprocess.run(["rm", "-rf", str(clone.folder / folder)], check=True)
    lines = (clone.folder / "dvc.lock").read_text()
    head, _, rest = lines.partition(f"  {TARGET}:\n")
    behind = rest.split("\n  ")
    kept = [i for i, line in enumerate(behind) if line and not line.startswith(" ") and i]
    (clone.folder / "dvc.lock").write_text(head + ("  " + "\n  ".join(behind[kept[0] :]) if kept else ""))


def saved_steps(clone: Clone) -> int:
    """The step after which a run was saved last; 0 before."""
    return max((progress["step"] for progress in _saved(clone)), default=0)


def resumes(clone: Clone) -> list[int]:
    """The steps after which the only run there is was gone on with."""
    [progress] = _saved(clone)
    return progress["resumed_at"]


def _saved(clone: Clone) -> list[dict]:
    found = []
    for path in (clone.folder / ".skyward/runs").glob("stage1-*/state.safetensors"):
        with safe_open(path, "pt") as file:
            found.append(json.loads(file.metadata()["progress"]))
    return found


def repro_killed(
    clone: Clone, victim: str, ready: Callable[[], bool], command: tuple[str, ...] = ("repro", TARGET)
) -> bool:
    """Run `dvc repro` and kill the ``victim`` as soon as it trains and is ``ready``; returns False if it ended before.

    DVC alone is not killed while it writes its own files, which it cannot recover; nothing is left running.
    """
    process = subprocess.Popen(
        ["dvc", *command],
        cwd=clone.folder,
        env=clone.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not ((trainers := _trainers(process.pid)) and ready()):
        time.sleep(0.01)
    was_running = process.poll() is None
    for trainer in trainers if was_running and victim in ("stage", "both") else []:
        trainer.kill()
    if was_running and victim in ("dvc", "both"):
        process.kill()
    process.wait()
    _, alive = psutil.wait_procs(trainers, timeout=60)
    assert not alive, "a process that trains outlived its dvc"
    return was_running


def _trainers(parent: int) -> list[psutil.Process]:
    """The processes below ``parent`` that train."""
    try:
        return [child for child in psutil.Process(parent).children(recursive=True) if _runs_finetune(child)]
    except psutil.Error:
        return []


def _runs_finetune(process: psutil.Process) -> bool:
    try:
        return "stages.finetune" in process.cmdline()
    except psutil.Error:
        return False
