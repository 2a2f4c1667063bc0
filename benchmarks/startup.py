"""What a stage costs besides training, on the repository's own params: ``python -m benchmarks.startup``.

Prints, beside their limits: seconds from the start of `python -m stages.finetune` to its first optimizer step, over
those of `import torch` alone, measured in turn; and of a whole run of the first stage (320 pixels), the shares of its
time that it waited for data and that saving took. The end of the first step is seen from outside, by its row in the
scratch folder's steps.csv: the figure holds the step itself and is an upper bound. Three to four minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from benchmarks.project import run_stages, surroundings, timed, write_params
from stages.errors import run_stage
from tests.pipeline import ROOT

STAGE, REPEATS, POLL = "stage1", 5, 0.005
LIMITS = {"waiting": 0.05, "saving": 0.02}
START_UP = 4.0


def main() -> None:
    """Measure, and print."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_params(params)
        run_stages("check", *(f"download {name}" for name in params["sources"]), "download_weights", f"mixture {STAGE}")
        start_up()
        timed("-m", "stages.finetune", STAGE)
        report = json.loads(Path(f"metrics/runs/{STAGE}.json").read_text())
        print(
            f"{STAGE}: {report['seconds']} s, of them training {report['training_seconds']} s, {report['steps']} steps"
        )
        for what, most in LIMITS.items():
            share = report[f"{what}_share"]
            print(f"  {what:<8} {share:6.2%} of training (at most {most:.0%})  {verdict(share, most)}")


def start_up() -> None:
    """Time both in turn, behind one of each that warms the disk's cache up, and print medians."""
    pairs = [(timed("-c", "import torch"), first_step()) for _ in range(REPEATS + 1)][1:]
    torch_alone, until_step = (median(side) for side in zip(*pairs, strict=True))
    over = median(ours - alone for alone, ours in pairs)
    print(f"import torch {torch_alone:.2f} s; to the end of the first step {until_step:.2f} s, {REPEATS} of each")
    print(f"  start-up {over:6.2f} s over import torch (at most {START_UP:g})  {verdict(over, START_UP)}")


def verdict(value: float, most: float) -> str:
    """Whether a limit is kept."""
    return "ok" if value <= most else "MISSED"


def first_step() -> float:
    """Seconds from the start of the process until its first step is done; it is killed there."""
    shutil.rmtree(".skyward", ignore_errors=True)
    command = [sys.executable, "-m", "stages.finetune", STAGE]
    start = time.perf_counter()
    with subprocess.Popen(command, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not has_row():
            if process.poll() is not None:
                raise RuntimeError(process.stderr.read().decode()[-2000:])
            time.sleep(POLL)
        seconds = time.perf_counter() - start
        process.kill()
    shutil.rmtree(".skyward")
    return seconds


def has_row() -> bool:
    """Whether the table of steps has one behind its head."""
    return any(path.read_text().count("\n") > 1 for path in Path(".skyward/runs").glob("*/steps.csv"))


if __name__ == "__main__":
    run_stage(main)
