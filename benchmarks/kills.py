"""Twenty kills at random moments of a run, twenty identical results: ``python -m benchmarks.kills``.

One stage is trained without a kill, then again and again from nothing: each time the stage, DVC, or both are killed
(SIGKILL) at a moment drawn from the whole time that a run takes, start-up included, and `dvc repro` is run again.
Weights and curves must be the same bytes. Prints a line for each kill, and exits with status 1 at a difference.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from stages.errors import InputError, run_stage
from tests import killing

KILLS, SECONDS, SEED = 20, 10.0, 0  # seconds of training, start-up besides


def main() -> None:
    """Kill, run again, compare; print what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        clone, epochs = killing.lasting_project(Path(folder) / "clone", SECONDS)
        start = time.monotonic()
        clone.dvc("repro", killing.TARGET)
        whole, seconds = killing.result(clone), time.monotonic() - start
        print(f"a run of {2 * epochs} steps takes {seconds:.1f} s", flush=True)
        chance = random.Random(SEED)
        same = [_trial(clone, whole, seconds, chance, number) for number in range(KILLS)]
        print(f"{sum(same)} of {KILLS} identical")
        if not all(same):
            raise InputError("benchmarks.kills", f"{KILLS - sum(same)} results differ", "look at the lines above")


def _trial(clone: killing.Clone, whole: tuple[str, str], seconds: float, chance: random.Random, number: int) -> bool:
    """One run that is killed once; whether its result is the same."""
    killing.forget(clone)
    victim = killing.VICTIMS[number % len(killing.VICTIMS)]
    moment = time.monotonic() + chance.uniform(0, seconds)
    hit = killing.repro_killed(clone, victim, lambda: time.monotonic() >= moment)
    step = killing.saved_steps(clone)
    output = clone.dvc("repro", killing.TARGET)
    went_on = next((line.partition("goes on ")[2] for line in output.splitlines() if "goes on after step" in line), "")
    went_on = went_on or ("from the beginning" if "Running stage" in output else "was done")
    same = killing.result(clone) == whole
    when = f"killed at step {step}" if hit else "had ended before its kill"
    print(f"{number + 1:2d}. {victim:<5}  {when:<26}  {went_on:<30}  same: {same}", flush=True)
    return same


if __name__ == "__main__":
    run_stage(main)
