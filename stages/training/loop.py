"""The one training loop, for every detector family.

A run is a sequence of optimizer steps; each takes a window of `accumulate` micro-batches (fewer at an epoch's end),
every micro-batch's loss weighted by its share of the window's frames, so that the gradient is that of the window's
mean frame however it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import torch
from accelerate import Accelerator

from stages.detectors import Batch, Detector
from stages.errors import InputError
from stages.params import Stage
from stages.training.ema import Ema
from stages.training.loader import ClipSamples, RunOrder, make_loader
from stages.training.optimizing import (
    describe,
    freeze,
    lr_factor,
    make_optimizer,
    set_learning_rates,
    set_training_mode,
)

Validate = Callable[[Detector], dict[str, float]]


@dataclass
class Outcome:
    """What a run leaves: the tensors that `select` chose, how they were chosen, and the history by epoch."""

    tensors: dict[str, torch.Tensor]
    selected: dict
    settings: dict
    history: list[dict] = field(default_factory=list)


class Trainer:
    """Trains one stage. ``report`` is called with every row of the history as it is made."""

    def __init__(
        self,
        name: str,
        detector: Detector,
        stage: Stage,
        samples: ClipSamples,
        order: RunOrder,
        validate: Validate,
        report: Callable[[dict], None] = lambda row: None,
    ):
        self.name, self.stage, self.order, self.report = name, stage, order, report
        self.accelerator = _accelerator(name, stage)
        freeze(detector, stage)
        detector.to(self.accelerator.device)
        self.detector = detector
        self.ema = Ema(detector, stage.ema)
        self.validate = validate
        self.loader = make_loader(samples, order, stage.memory.workers)
        self.model, self.optimizer = self.accelerator.prepare(detector, make_optimizer(detector, stage))
        self.steps_per_epoch = math.ceil(order.batches_per_epoch / stage.memory.accumulate)
        self.step = 0
        self.history: list[dict] = []
        self.best: tuple[float, int, dict[str, torch.Tensor]] | None = None

    def run(self) -> Outcome:
        """Train all epochs."""
        self.detector.begin_training(self.stage.epochs)
        micro_batches = iter(self.loader)
        for epoch in range(1, self.stage.epochs + 1):
            set_training_mode(self.detector, self.stage)
            row = self._epoch(epoch, islice(micro_batches, self.order.batches_per_epoch))
            self.detector.end_epoch()
            if epoch % self.stage.validate_every == 0 or epoch == self.stage.epochs:
                row |= self.validate(self.ema.detector)
                self._keep(epoch, row[self.stage.metric])
            self.history.append(row)
            self.report(row)
        return self._outcome()

    def _epoch(self, epoch: int, micro_batches: Iterator[Batch]) -> dict:
        """One pass over the mixture; returns its row of the history, losses as means over frames."""
        sums: dict[str, torch.Tensor] = {}
        frames = 0
        while window := list(islice(micro_batches, self.stage.memory.accumulate)):
            for part, value in self._step(window).items():
                sums[part] = sums.get(part, 0.0) + value
            frames += sum(len(batch) for batch in window)
        means = {part: float(value) / frames for part, value in sums.items()}
        row = {"epoch": epoch, "lr": self.optimizer.param_groups[-1]["lr"], "loss": sum(means.values())} | means
        self._require_finite(epoch, row["loss"])
        return {key: value if key == "epoch" else round(value, 8) for key, value in row.items()}

    def _require_finite(self, epoch: int, loss: float) -> None:
        """Raise `InputError` where training has left the numbers, also if only its last step did."""
        state = self.ema.detector.network.state_dict()
        broken = next((name for name, tensor in state.items() if not tensor.isfinite().all()), None)
        if broken or not math.isfinite(loss):
            what = f"the loss is {loss:.4g}" + (f" and `{broken}` is not finite" if broken else "")
            remedy = f"lower {self.name}.lr, lengthen {self.name}.warmup or train in fp32"
            raise InputError(f"{self.name}: epoch {epoch}", what, remedy)

    def _step(self, window: list[Batch]) -> dict[str, torch.Tensor]:
        """One optimizer step over a window of micro-batches; returns loss parts as sums over frames.

        All that a step changes is the network, the optimizer, the average and the loss's own state.
        """
        set_learning_rates(self.optimizer, lr_factor(self.stage, self.step, self.steps_per_epoch))
        frames = sum(len(batch) for batch in window)
        sums: dict[str, torch.Tensor] = {}
        for batch in window:
            parts = self.model(batch.to(self.accelerator.device))
            self.accelerator.backward(sum(parts.values()) * (len(batch) / frames))
            for part, value in parts.items():
                sums[part] = sums.get(part, 0.0) + value.detach().float() * len(batch)
        if self.stage.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.stage.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.detector)
        self.step += 1
        return sums

    def _keep(self, epoch: int, score: float) -> None:
        """Remember the weights of the best validation; with equal scores, the earlier."""
        if self.best is None or score > self.best[0]:
            tensors = {name: tensor.clone() for name, tensor in self.ema.detector.network.state_dict().items()}
            self.best = score, epoch, tensors

    def _outcome(self) -> Outcome:
        weights = "ema" if self.stage.ema else "network"
        selected = {"select": self.stage.select, "weights": weights, "metric": self.stage.metric}
        if self.stage.select == "best":
            score, epoch, tensors = self.best
        else:
            score, epoch = self.history[-1][self.stage.metric], self.stage.epochs
            tensors = self.ema.detector.network.state_dict()
        return Outcome(tensors, selected | {"epoch": epoch, "score": score}, self._settings(), self.history)

    def _settings(self) -> dict:
        """What was in effect, as the optimizer and the loader saw it."""
        memory = self.stage.memory
        return {
            "optimizer": self.stage.optimizer,
            "groups": describe(self.optimizer),
            "steps": self.step,
            "lr_by_epoch": [row["lr"] for row in self.history],
            "effective_batch": memory.batch * memory.accumulate,
            "precision": self.accelerator.mixed_precision,
            "batchnorm": _batchnorm(self.stage),
            "parameters_trained": sum(p.numel() for p in self.detector.parameters() if p.requires_grad),
        }


def _accelerator(name: str, stage: Stage) -> Accelerator:
    precision = stage.memory.precision
    if precision == "fp16" and not torch.cuda.is_available():
        where = f"params.yaml: {name}.memory.precision"
        raise InputError(where, "fp16 needs a GPU and this machine has none", "use fp32 or bf16")
    accelerator = Accelerator(mixed_precision="no" if precision == "fp32" else precision)
    if accelerator.num_processes > 1:
        raise InputError(name, f"started in {accelerator.num_processes} processes", "train in one process")
    return accelerator


def _batchnorm(stage: Stage) -> str:
    if stage.freeze_batchnorm:
        return "frozen: the parent's statistics normalise and stay"
    frozen = f"; frozen in {', '.join(stage.freeze)}" if stage.freeze else ""
    return f"training: normalises by each micro-batch of {stage.memory.batch} frames, statistics follow{frozen}"
