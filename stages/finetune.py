"""The stage `finetune@STAGE`: trains a stage of the curriculum from the checkpoint before it.

Reads data/mixtures/STAGE/, the archives that it names, and models/AFTER/; writes models/STAGE/,
plots/training/STAGE.csv, metrics/runs/STAGE.json and metrics/runs/STAGE.csv. What is needed to go on after a kill is
in .skyward/runs/. Run as `python -m stages.finetune STAGE`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from stages.detectors.card import MODELS, Card
from stages.detectors.checkpoint import save_checkpoint
from stages.errors import choose, run_stage
from stages.files import sha256_of, write_json, write_table
from stages.mixtures.mixture import MIXTURES
from stages.params import Params, load_params
from stages.training.launching import launch, leave_other_groups, make_accelerator, must_launch, require_processes
from stages.training.outcome import Outcome, cost
from stages.training.run import Child, inherit, scratch_of, train
from stages.training.scratch import Scratch
from stages.watching import Bar, StepTable, Watchers, make_loggers

RUNS = Path("metrics/runs")


def main(stage: str) -> None:
    """Train one stage and write its checkpoint, curves and run report."""
    started = time.perf_counter()
    params = load_params()
    choose(params.curriculum, stage, "stage")
    leave_other_groups()
    if must_launch(params.compute):
        launch(stage, params.compute)
        return
    _prepare_torch(params)
    accelerator = make_accelerator(stage, params.stages[stage])
    require_processes(accelerator.num_processes, params.compute)
    child = inherit(params, stage)
    with scratch_of(params, stage, child.parent, accelerator) as scratch:
        table = StepTable(scratch.folder / "steps.csv")
        watch = Watchers([Bar(), table, *make_loggers(params.logging)] if accelerator.is_main_process else [])
        with watch.ending():
            outcome = train(params, stage, child.detector, scratch, accelerator, watch)
        if accelerator.is_main_process:
            _write(params, stage, child, outcome, scratch)
            table.finish(RUNS / f"{stage}.csv")
            write_json(RUNS / f"{stage}.json", cost(outcome, time.perf_counter() - started))
            watch.end(MODELS / stage, outcome.history[-1] | outcome.selected)


def _prepare_torch(params: Params) -> None:
    """All cores that this process may use, and algorithms that give the same bytes again."""
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // params.compute.devices))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # a twentieth of a step, for memory that nobody reads


def _write(params: Params, name: str, child: Child, outcome: Outcome, scratch: Scratch) -> None:
    """The checkpoint with those that `keep_every` kept, and the curves."""
    card = Card(
        architecture=child.detector.architecture,
        image_size=params.stages[name].memory.image_sizes[-1],
        parent={"name": params.curriculum[name].after, "sha256": child.parent.sha256},
        handoff=child.handoff.card(),
        selected=outcome.selected,
        settings=outcome.settings | {"mixture": {"sha256": sha256_of(MIXTURES / name / "clips.csv")}},
    )
    save_checkpoint(
        MODELS / name, outcome.tensors, card, {epoch: scratch.kept(epoch) for epoch in outcome.progress.kept}
    )
    parts = sorted({key for row in outcome.history for key in row if key.startswith("loss_")})
    write_table(
        Path("plots/training") / f"{name}.csv", ["epoch", "lr", "loss", *parts, "mAP", "mAP50"], outcome.history
    )


if __name__ == "__main__":
    run_stage(main)
