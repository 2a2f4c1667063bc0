"""The loop's decisions: what processes agree on, and steps that the gradient scaler skips."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import distributed

from stages.detectors import Batch
from stages.training import processes
from stages.training.gradients import NotFiniteError
from stages.training.loop import Trainer
from stages.training.outcome import cost
from stages.training.processes import Processes
from tests import runs
from tests.stub_detector import Script, StubDetector
from tests.training_keys import Train, state_of

EXACT, ROUGH = (0, 0), (3, 3)  # what a validation finds: mAP 1 and 0.4


class First:
    """Stands for `torch.distributed`: the first process scores in its own way, and else does as this one."""

    ReduceOp = distributed.ReduceOp

    def __init__(self, scores: list[tuple[float, float]]):
        self.scores = scores

    def all_reduce(self, tensor: torch.Tensor, kind: object = distributed.ReduceOp.SUM) -> None:
        if kind == distributed.ReduceOp.SUM:
            tensor.mul_(2)

    def broadcast(self, tensor: torch.Tensor, source: int) -> None:
        assert source == 0
        tensor.copy_(torch.tensor(self.scores.pop(0), dtype=tensor.dtype))


class Second(Trainer):
    """The second process of two."""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)
        self.processes.count, self.processes.rank = 2, 1


def test_the_first_processs_scores_are_everyones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Alone the second would end after epoch 3, and select the first epoch."""
    monkeypatch.chdir(tmp_path)
    runs.project(tmp_path)
    params = runs.prepare(tmp_path, "stage1", {"epochs": 5, "patience": 2})
    alone = runs.run(params, detector=runs.make_detector(Script([EXACT, ROUGH])))
    assert (len(alone.history), alone.selected["epoch"]) == (3, 1)
    runs.forget()
    scores = [(0.1, 0.2), (0.3, 0.4), (1 / 3, 0.5), (0.3, 0.6), (0.2, 0.7)]
    monkeypatch.setattr(processes, "distributed", First(list(scores)))
    second = runs.run(params, detector=runs.make_detector(Script([EXACT, ROUGH])), trainer=Second)
    assert [(row["mAP"], row["mAP50"]) for row in second.history] == scores  # to the last bit
    assert second.selected["epoch"] == 3 and second.progress.ended is False


def test_one_process_has_its_own():
    alone = Processes.__new__(Processes)
    alone.count = 1
    assert alone.first({"mAP": 0.25}) == {"mAP": 0.25}


@pytest.fixture
def fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs scale their loss as on a GPU in fp16, and compute in fp32: so a gradient overflows where a test says."""
    make = runs.accelerator

    def scaling(*arguments: object) -> Accelerator:
        accelerator = make(*arguments)
        accelerator.scaler = torch.amp.GradScaler("cpu")
        accelerator.unscale_gradients = lambda: accelerator.scaler.unscale_(accelerator._optimizers[0].optimizer)
        return accelerator

    monkeypatch.setattr(runs, "accelerator", scaling)


class Overflowing(StubDetector):
    """Its gradient is infinite in micro-batches (from 1) that ``overflows`` says; its loss never is."""

    def __init__(self, overflows: Callable[[int], bool]):
        torch.manual_seed(1)
        super().__init__()
        self.overflows = overflows

    def __deepcopy__(self, memo: dict) -> StubDetector:
        copy = StubDetector(script=self.script)
        copy.load_state_dict(self.state_dict())
        return copy

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        parts = super().forward(batch)
        if self.overflows(len(self.script.batches)):
            parts["loss_cls"].register_hook(lambda gradient: gradient * math.inf)
        return parts


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_skipped_step_changes_nothing_and_is_counted(train: Train, fp16: None, optimizer: str):
    detector = Overflowing(lambda number: number in (1, 2, 4))
    run = train(detector=detector, optimizer=optimizer, epochs=3, freeze_batchnorm=True, select="last", ema=0.5)
    assert [bool(run.changed(step, step + 1)) for step in range(6)] == [False, False, True, False, True, True]
    assert run.outcome.progress.skipped == cost(run.outcome, 1.0)["skipped_steps"] == 3
    assert run.trainer.state.scale == 2**16 / 2**3 and run.trainer.state.ema.steps == 3
    whole = train(optimizer=optimizer, epochs=3, ema=0.5)
    assert whole.outcome.progress.skipped == 0 and whole.trainer.state.ema.steps == 6


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_gradient_that_stays_infinite_stops_the_run(train: Train, fp16: None, optimizer: str):
    detector = Overflowing(lambda number: number > 2)
    before = state_of(detector)
    with pytest.raises(NotFiniteError) as caught:
        train(detector=detector, optimizer=optimizer, epochs=20, lr=1e-9, freeze_batchnorm=True)
    assert len(detector.script.batches) == 2 + 17
    assert str(caught.value) == (
        f"stage1: epoch 10: {', '.join(detector.script.batches[-1].names)}: after 17 skipped steps, the loss scaled "
        "by less than 1, the gradient's norm is nan: look at these frames, lower stage1.lr, lengthen stage1.warmup or "
        "train in fp32"
    )
    assert all(torch.allclose(tensor, before[name], atol=1e-6) for name, tensor in state_of(detector).items())


def test_the_scale_and_the_count_outlive_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fp16: None):
    monkeypatch.chdir(tmp_path)
    runs.project(tmp_path)
    params = runs.prepare(tmp_path, "stage1", {"epochs": 3, "lr": 0.01})
    whole = runs.run(params, detector=Overflowing(lambda number: number in (1, 4)))
    runs.forget()
    with pytest.raises(runs.KilledError):
        runs.run(params, detector=Overflowing(lambda number: number == 1), trainer=runs.killed_after(3))
    resumed = runs.run(params, detector=Overflowing(lambda number: number == 1))
    assert resumed.progress.skipped == whole.progress.skipped == 2
    assert all(torch.equal(resumed.tensors[name], tensor) for name, tensor in whole.tensors.items())
    assert resumed.history == whole.history


def test_the_ladder_unscales_a_gradient_anew(train: Train, fp16: None, monkeypatch: pytest.MonkeyPatch):
    """Memory runs out behind the unscaling, which a scaler does once for a step; so does the trial."""
    changes = {"memory.on_oom": ["gradient_checkpointing"], "lr": 0.01}
    whole = train(**changes)
    calls, clip = [], Accelerator.clip_grad_norm_

    def hungry(self: Accelerator, parameters: object, *limits: float) -> torch.Tensor:
        calls.append(1)
        norm = clip(self, parameters, *limits)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return norm

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", hungry)
    fallen = train(**changes | {"memory.budget_gb": 1.0})
    assert [event["step"] for event in fallen.outcome.progress.oom_events] == [1]
    assert all(torch.equal(fallen.after[name], tensor) for name, tensor in whole.after.items())
    assert fallen.trainer.state.scale == 2**16 and fallen.outcome.progress.skipped == 0
