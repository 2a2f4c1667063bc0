"""All that a run is between two steps, as tensors and plain values: what it is saved as, and goes on from.

What is drawn at random depends on the seed and the place in the run alone, and so do learning rates and the order of
samples: of these the place is all there is to save.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from stages.detectors import Detector
from stages.params import Stage
from stages.training.ema import Ema
from stages.training.optimizing import make_optimizer

Tensors = dict[str, torch.Tensor]

# The scale begins at 2^16, halves with each skipped step and doubles after 2,000 without one. 17 skipped in a row bring
# it below 1: it is no longer the scaled loss that is too large for fp16, and going on will not mend the gradient.
LEAST_SCALE = 1.0


@dataclass
class Progress:
    """Where a run is, in values that JSON holds exactly.

    ``step`` counts optimizer steps done; ``sums`` and ``frames`` are the losses of the epoch so far, summed over its
    frames, and their number; ``best`` is the score and the epoch of the best validation; ``ended``: before the last
    epoch, by `patience`; ``kept``: epochs whose weights were put aside. Times are in seconds.
    """

    step: int = 0
    rung: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    history: list[dict] = field(default_factory=list)
    best: dict | None = None
    ended: bool = False
    kept: list[int] = field(default_factory=list)
    oom_events: list[dict] = field(default_factory=list)
    resumed_at: list[int] = field(default_factory=list)
    left_out: int = 0  # objects, by `max_objects`
    skipped: int = 0  # of the steps, by fp16's gradient scaler
    ema_steps: int = 0
    loss: dict[str, float] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    images: int = 0  # trained on, by all processes together
    training_seconds: float = 0.0
    earlier_seconds: float = 0.0  # of them, those of runs that were killed
    waiting_seconds: float = 0.0
    saving_seconds: float = 0.0
    peak_memory_mb: float = 0.0


class RunState:
    """A run's network, average, optimizer, gradient scaler, best weights and progress."""

    def __init__(self, detector: Detector, stage: Stage, accelerator: Accelerator):
        self.detector = detector.to(accelerator.device)
        self.ema = Ema(detector, stage.ema)
        self.optimizer = make_optimizer(detector, stage)
        # Steps through the scaler where there is one.
        self.stepper = accelerator.prepare_optimizer(self.optimizer, device_placement=False)
        self.scaler = accelerator.scaler
        self.progress, self.best = Progress(), {}

    @property
    def scale(self) -> float:
        """What fp16 multiplies the loss by."""
        return 1.0 if self.scaler is None else self.scaler.get_scale()

    def step(self) -> bool:
        """Step the optimizer and the average; False, and nothing changes, where the scaler finds a gradient not finite.

        Its scale says so, which falls then alone. Accelerate's `optimizer_step_was_skipped` does not: it looks whether
        the optimizer was called, and a fused one is, and skips of itself.
        """
        scale = self.scale
        self.stepper.step()
        if self.scale < scale:
            return False
        self.ema.update(self.detector)
        return True

    def average(self) -> Tensors:
        """The weights that leave the run: the moving average, or the network's own."""
        return self.ema.detector.network.state_dict()

    def tensors(self) -> Tensors:
        """All tensors, under names that `take_back` knows."""
        return (
            _named("network", self.detector.network.state_dict())
            | _named("optimizer", _optimizer_tensors(self.optimizer))
            | _named("ema", self.average() if self.ema.decay else {})
            | _named("best", self.best)
        )

    def on_device(self) -> Iterator[torch.Tensor]:
        """What is in the device's memory, besides the network."""
        yield from self.average().values()
        yield from _optimizer_tensors(self.optimizer).values()

    def keep_best(self) -> None:
        """Remember the weights as they are, out of the device's memory."""
        self.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.average().items()}

    def up_to_date(self) -> Progress:
        """The progress, with what others keep the truth of."""
        self.progress.ema_steps, self.progress.loss = self.ema.steps, self.detector.loss_state()
        self.progress.scaler = {} if self.scaler is None else self.scaler.state_dict()
        return self.progress

    def take_back(self, tensors: Tensors, progress: Progress) -> None:
        """Be what was saved; comes after `detector.begin_training`."""
        _copy(self.detector.network, _under("network", tensors))
        _put_back(self.optimizer, _under("optimizer", tensors))
        if self.ema.decay:
            _copy(self.ema.detector.network, _under("ema", tensors))
        self.best, self.progress, self.ema.steps = _under("best", tensors), progress, progress.ema_steps
        self.detector.load_loss_state(progress.loss)
        if self.scaler is not None:
            self.scaler.load_state_dict(progress.scaler)


def _named(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Tensors) -> Tensors:
    start = len(prefix) + 1
    return {name[start:]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


@torch.no_grad()
def _copy(module: nn.Module, tensors: Tensors) -> None:
    """Copy a state into a module's own tensors, which keep their memory layout."""
    for name, tensor in module.state_dict().items():
        tensor.copy_(tensors[name])


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """What the optimizer keeps, by the number of the parameter."""
    kept = optimizer.state_dict()["state"]
    return {
        f"{number}.{key}": value
        for number, values in kept.items()
        for key, value in values.items()
        if value is not None
    }


def _put_back(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Take back what `_optimizer_tensors` gave, each tensor in the layout of its parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.state.clear()
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        parameter = parameters[int(number)]
        place = parameter if value.shape == parameter.shape else value
        like = torch.empty_like(place, dtype=value.dtype, device=parameter.device, requires_grad=False)
        optimizer.state[parameter][key] = like.copy_(value)
