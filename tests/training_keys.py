"""A run of the training loop seen from within: what a test of a stage's key starts from.

Runs are on the rectangles' world with the stub detector, in the working directory that `runs.project` has set up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stages.detectors import Batch
from stages.training.loop import Trainer
from stages.training.outcome import Outcome
from tests import runs
from tests.stub_detector import Script, StubDetector

STILL = {"augment.flip": 0.0, "augment.scale": [1.0, 1.0], "augment.translate": 0.0, "augment.colour": 0.0}
PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip_norm": None,
    "schedule": "constant",
    "ema": 0.0,
}
WEIGHTS = {f"{layer}.{kind}" for layer in range(4) for kind in ("weight", "bias")}
STATISTICS = {"1.running_mean", "1.running_var"}

State = dict[str, torch.Tensor]


@dataclass
class Run:
    """A finished run: what it left, who trained it, and what was there after every step."""

    outcome: Outcome
    trainer: Trainer
    script: Script
    before: State
    after: State
    states: list[State]
    rates: list[list[float]]

    @property
    def first(self) -> Batch:
        """The first micro-batch that it saw."""
        return self.script.batches[0]

    def changed(self, first: int = 0, last: int | None = None) -> set[str]:
        """Names of tensors that steps ``first`` + 1 to ``last`` changed, BatchNorm's counter aside."""
        states = [self.before, *self.states]
        old, new = states[first], states[len(self.states) if last is None else last]
        return {name for name in old if "tracked" not in name and not torch.equal(old[name], new[name])}

    def group(self, part: str, decays: bool) -> dict:
        """The optimizer's group of a part's weights (``decays``) or its biases and BatchNorm."""
        groups = self.trainer.state.optimizer.param_groups
        return next(g for g in groups if g["part"] == part and (g["params"][0].ndim > 1) == decays)


Train = Callable[..., Run]
Row = Callable[[Train], None]


def state_of(detector: torch.nn.Module) -> State:
    """A copy of the network's state."""
    return {name: tensor.clone() for name, tensor in detector.network.state_dict().items()}


def train(stage: str = "stage1", script: Script | None = None, detector: StubDetector | None = None, **changes: Any):
    """Train ``stage`` from its beginning, with ``changes`` at dotted keys of its block; returns a `Run`."""
    params = runs.prepare(Path.cwd(), stage, changes)
    runs.forget()
    detector = detector or runs.make_detector(script)
    trainers: list[Trainer] = []
    states: list[State] = []
    rates: list[list[float]] = []

    class Spy(Trainer):
        def __init__(self, *arguments: object):
            super().__init__(*arguments)
            trainers.append(self)

        def _step(self, *arguments: object) -> None:
            super()._step(*arguments)
            states.append(state_of(self.detector))
            rates.append([group["lr"] for group in self.state.optimizer.param_groups])

    before = state_of(detector)
    outcome = runs.run(params, stage, detector, Spy)
    return Run(outcome, trainers[0], detector.script, before, state_of(detector), states, rates)
