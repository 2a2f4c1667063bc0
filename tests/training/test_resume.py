"""A run that was killed goes on to the same bytes as one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from stages.detectors import Architecture, build
from stages.training.loop import Trainer
from stages.training.scratch import Scratch
from tests import runs

KNOBS = {
    "plain": {},
    "sgd without average": {"optimizer": "sgd", "ema": 0.0},
    "muon": {"optimizer": "muon", "momentum": 0.9},
    "thawed, multi-scale, mosaic": {
        "freeze": ["backbone"],
        "thaw": 1,
        "memory.image_size": [32, 64],
        "augment.mosaic": 0.5,
        "augment.crop": 0.5,
    },
    "accumulated": {"memory.batch": 2, "memory.accumulate": 2},
    "bf16": {"memory.precision": "bf16"},
    "workers": {"memory.workers": 2},
}


def _yolo(model: str = "tiny.yaml"):
    torch.manual_seed(1)
    return build(Architecture("yolo", model, ("person", "car"), 2))


def _same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("knobs", KNOBS)
def test_killed_at_every_step_and_the_same_to_the_last_bit(project: Path, knobs: str):
    params = runs.prepare(project, "stage1", {"epochs": 2, "lr": 0.01} | KNOBS[knobs])
    whole = runs.run(params, detector=_yolo())
    runs.forget()
    for step in range(1, whole.progress.step):  # every life does one step
        with pytest.raises(runs.KilledError):
            runs.run(params, detector=_yolo(), trainer=runs.killed_after(step))
    last = runs.run(params, detector=_yolo())
    assert last.progress.resumed_at == list(range(1, whole.progress.step))
    assert _same(last.tensors, whole.tensors)
    assert last.history == whole.history and last.selected == whole.selected and last.settings == whole.settings


def test_a_process_with_nothing_to_do_in_its_first_window_knows_the_losss_parts(project: Path):
    """In a run of two, the last window of an epoch may have one micro-batch: both must sum the same names."""
    params = runs.prepare(project, "stage1", {"epochs": 1, "lr": 0.01})
    with pytest.raises(runs.KilledError):
        runs.run(params, detector=_yolo(), trainer=runs.killed_after(1))
    seen = []

    class Idle(Trainer):
        def _step(self, *window: object) -> None:
            seen.append((self.gradients.compute(1, [], 4, 1), dict(self.progress.sums)))
            super()._step(*window)

    runs.run(params, detector=_yolo(), trainer=Idle)
    zeros, sums = seen[0]
    assert len(sums) == 3 and zeros == dict.fromkeys(sums, 0.0)


def test_only_the_first_process_prunes_and_tells(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Every process of a run comes by here; two that remove the same folders fall over one another."""
    params, told = runs.prepare(project, "stage1", {"epochs": 1}), []
    monkeypatch.setattr(Scratch, "prune", lambda _: told.append("pruned"))
    monkeypatch.setattr(Scratch, "said", lambda *_: told.append("said") or [])
    runs.run(params, detector=_yolo())
    assert told == ["said", "pruned"]
    with monkeypatch.context() as patch:
        patch.setattr(Accelerator, "is_main_process", property(lambda _: False))
        runs.run(params, detector=_yolo())
    assert told == ["said", "pruned"]
