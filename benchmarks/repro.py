"""A whole run from nothing on the repository's own params: ``python -m benchmarks.repro``.

In a clone of its own it runs `dvc repro` (time, peak memory of all processes together, scores after the last stage),
`dvc repro` again with nothing to do, and `dvc exp run -S stage2.mixture.replay=0`: what replay is worth.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil
import yaml

from stages.errors import run_stage
from tests.pipeline import ROOT, Clone, clone_repository

LAST, FIRST_SOURCE = "stage2", "street"


def main() -> None:
    """Run, and print what it cost and gave."""
    with tempfile.TemporaryDirectory() as folder:
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        clone = clone_repository(Path(folder) / "clone", params)
        seconds, peak = measured(clone, "repro")
        print(f"dvc repro from nothing: {seconds:.0f} s (at most 300), peak memory {peak / 2**30:.2f} GiB (at most 3)")
        seconds, _ = measured(clone, "repro")
        print(f"dvc repro with nothing to do: {seconds:.1f} s (at most 3)")
        with_replay = scores(clone)
        for source, found in with_replay[LAST].items():
            print(f"{LAST} on {source}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
        clone.commit("Run")
        measured(clone, "exp", "run", "-S", f"{LAST}.mixture.replay=0")
        without = scores(clone)
        lost = {name: s["forgetting"][LAST][FIRST_SOURCE] for name, s in (("0.25", with_replay), ("0", without))}
        for share, found in (("0.25", with_replay), ("0", without)):
            hota = found[LAST][FIRST_SOURCE]["HOTA"]
            print(f"replay {share}: HOTA on {FIRST_SOURCE} {hota:.3f}, forgotten {lost[share]:.3f}")


def scores(clone: Clone) -> dict:
    """What metrics/curriculum.json says."""
    return json.loads((clone.folder / "metrics/curriculum.json").read_text())


def measured(clone: Clone, *arguments: str) -> tuple[float, int]:
    """Run DVC; returns wall seconds and the peak of the summed proportional memory of its processes, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        ["dvc", *arguments], cwd=clone.folder, env=dict(clone.environment), stdout=subprocess.DEVNULL
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    status = process.wait()
    if status:
        raise RuntimeError(f"dvc {' '.join(arguments)} ended with status {status}")
    return time.perf_counter() - start, peak[0]


def _watch(pid: int, peak: list[int]) -> None:
    """Note the most memory that a process and its descendants hold together, shared pages counted once."""
    try:
        while True:
            root = psutil.Process(pid)
            total = 0
            for process in (root, *root.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has ended meanwhile
                    continue
            peak[0] = max(peak[0], total)
            time.sleep(2)  # looking costs: the kernel walks every page
    except psutil.Error:
        return


if __name__ == "__main__":
    run_stage(main)
