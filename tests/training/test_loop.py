"""The loop's decisions: what processes agree on, and steps that the gradient scaler skips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed

from stages.training import processes
from stages.training.loop import Trainer
from stages.training.processes import Processes
from tests import runs
from tests.stub_detector import Script

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
