"""Memory that runs out in other places than the forward and the backward pass, in other processes, after a resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import distributed, nn

from stages.detectors import Batch
from stages.errors import InputError
from stages.training import processes
from stages.training.loop import Trainer
from stages.training.outcome import Outcome
from tests import runs
from tests.stub_detector import StubDetector

MB = 250_000  # float32 numbers in it
GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried")


class Heavy(StubDetector):
    """Has a megabyte of weights, and needs two more for big micro-batches, from number ``grows_at`` of ``seen`` on."""

    def __init__(self, seen: list | None = None, grows_at: int = 99):
        torch.manual_seed(1)
        super().__init__()
        self.network[3].register_parameter("ballast", nn.Parameter(torch.zeros(MB)))
        self.seen, self.grows_at = [] if seen is None else seen, grows_at

    def __deepcopy__(self, memo: dict) -> Heavy:
        copy = Heavy()
        copy.load_state_dict(self.state_dict())
        return copy

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.seen.append(batch.names)
        ballast = self.network[3].ballast.sum()
        more = torch.zeros(2 * MB) if len(self.seen) >= self.grows_at and len(batch) > 2 else None
        parts = super().forward(batch)
        return parts | {"loss_box": parts["loss_box"] + 0 * ballast + (0 if more is None else 0 * more[0])}


def _run(project: Path, detector: StubDetector | None = None, trainer: type[Trainer] = Trainer, **changes: object):
    runs.forget()
    params = runs.prepare(project, "stage1", {"lr": 0.01, "memory.on_oom": ["split"]} | changes)
    return runs.run(params, detector=detector, trainer=trainer)


def _same(one: Outcome, other: Outcome) -> bool:
    same = all(torch.equal(one.tensors[name], tensor) for name, tensor in other.tensors.items())
    return same and one.history == other.history and one.progress.oom_events == other.progress.oom_events


def test_a_budget_holds_after_a_resume_as_before(project: Path):
    """The optimizer's state and the average, three of the megabytes, are counted in every life."""
    roomy = _run(project, Heavy(), **{"memory.budget_gb": 1.0})
    budget = {"memory.budget_gb": roomy.progress.peak_memory_mb * 2**20 / 1e9 + 0.0005}
    whole = _run(project, Heavy(grows_at=4), **budget)  # the trial is the first
    assert [event["step"] for event in whole.progress.oom_events] == [2]
    seen: list = []
    with pytest.raises(runs.KilledError):
        _run(project, Heavy(seen, 4), runs.killed_after(2), **budget)
    assert len(seen) == 3
    params = runs.prepare(project, "stage1", {"lr": 0.01, "memory.on_oom": ["split"]} | budget)
    resumed = runs.run(params, detector=Heavy(seen, 4))
    assert resumed.progress.resumed_at == [2] and _same(resumed, whole)


def _once(monkeypatch: pytest.MonkeyPatch, call: int, error: Exception) -> None:
    """Clipping raises ``error`` when it has done its work for the ``call``-th time."""
    calls, clip = [], Accelerator.clip_grad_norm_

    def hungry(self: Accelerator, parameters: object, *limits: float) -> torch.Tensor:
        calls.append(1)
        norm = clip(self, parameters, *limits)
        if len(calls) == call:
            raise error
        return norm

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", hungry)


@pytest.mark.parametrize("error", [GPU, CPU])
def test_where_the_gradient_is_clipped_it_takes_the_ladder(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    """As a run does that runs out in the same step's forward pass."""
    forward = _run(project, _Hungry(3))
    with monkeypatch.context() as patch:
        _once(patch, 3, error)
        clipped = _run(project)
    assert [event["step"] for event in clipped.progress.oom_events] == [2] and _same(clipped, forward)
    with pytest.raises(InputError, match=r"^stage1\.memory: out of memory in step 1 where the gradient is clipped and"):
        _once(monkeypatch, 1, error)
        _run(project, **{"memory.on_oom": []})


class _Hungry(StubDetector):
    """Runs out in its micro-batch of a number."""

    def __init__(self, number: int):
        torch.manual_seed(1)
        super().__init__()
        self.number = number

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        if len(self.script.batches) + 1 == self.number:
            self.script.batches.append(batch)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().forward(batch)


class Twin:
    """Stands for `torch.distributed`: another process does what this one does, and runs out in a report of its own."""

    ReduceOp = distributed.ReduceOp

    def __init__(self, runs_out_at: int | None = None):
        self.told, self.runs_out_at = [], runs_out_at

    def all_reduce(self, tensor: torch.Tensor, kind: object = distributed.ReduceOp.SUM) -> None:
        if kind == distributed.ReduceOp.SUM:
            self.told.append("sum")
            tensor.mul_(2)
        elif tensor.ndim == 0:
            reports = sum(what.startswith("status") for what in self.told)
            self.told.append(f"status {int(tensor)}")
            if reports == self.runs_out_at:
                tensor.fill_(1)

    def broadcast(self, tensor: torch.Tensor, source: int) -> None:
        """Validation found the same there."""


class OfTwo(Trainer):
    """The first process of two, as far as gradients go."""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)
        self.processes.count = 2


@pytest.mark.parametrize(("report", "sums"), [(0, 0), (1, 0), (2, 2)])
def test_another_process_runs_out(project: Path, monkeypatch: pytest.MonkeyPatch, report: int, sums: int):
    """Where it computes, where it takes memory to sum, where it clips; no process is left waiting for a sum."""
    twins = Twin(), Twin(report)
    changes = {"memory.on_oom": ["gradient_checkpointing"]}
    outcomes = []
    for twin in twins:
        monkeypatch.setattr(processes, "distributed", twin)
        outcomes.append(_run(project, trainer=OfTwo, **changes))
    whole, fallen = (twin.told for twin in twins)
    assert fallen[: report + 1 + sums].count("sum") == sums
    assert fallen[report + 1 + sums :] == whole  # the step is computed again
    assert [event["step"] for event in outcomes[1].progress.oom_events] == [0]
    assert all(torch.equal(outcomes[1].tensors[name], tensor) for name, tensor in outcomes[0].tensors.items())


def test_the_optimizers_step_finds_its_room_before_it_begins(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Muon takes for a moment four times what the largest group of weights does."""
    stepped = []
    changes = {"optimizer": "muon", "memory.budget_gb": 0.006, "memory.on_oom": []}
    monkeypatch.setattr("stages.training.state.Ema.update", lambda *_: stepped.append(1))
    message = (
        r"^stage1\.memory: out of memory before the first step where the gradient is clipped and applied, .*: "
        r"a smaller detector\.model, `ema: 0` and `optimizer: sgd` need less \(stage1\.memory\.on_oom allows nothing"
    )
    with pytest.raises(InputError, match=message):
        _run(project, Heavy(), **changes)
    assert not stepped
    _run(project, Heavy(), **changes | {"memory.budget_gb": 0.0085})
    assert len(stepped) == 4


def _raising(error: Exception) -> Callable:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


@pytest.mark.parametrize("error", [GPU, CPU, MemoryError()])
def test_where_the_optimizer_steps_it_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception):
    monkeypatch.setattr(torch.optim.AdamW, "step", _raising(error))
    message = r"^stage1\.optimizer: out of memory where it steps: run again: it goes on from the last saved step; a "
    with pytest.raises(InputError, match=message):
        _run(project)


def test_no_memory_for_what_the_optimizer_keeps_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stages.training.loop.allocate_state", _raising(CPU))
    with pytest.raises(InputError, match=r"^stage1\.optimizer: out of memory for what the optimizer keeps: a smaller"):
        _run(project)
