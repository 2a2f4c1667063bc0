"""The gradient of a window, computed in as much memory as there is.

Every piece of a micro-batch that is computed at once is weighted by its share of the window's frames, so the
gradient is that of the window's mean frame however it is cut. Up to the optimizer's step itself nothing is done that
cannot be undone: when memory runs out, in whatever place and process, all is put back to where it was after the last
step, and the window computed again on the next rung of the ladder.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator

from stages.detectors import Batch, Detector
from stages.errors import InputError
from stages.params import Stage
from stages.sequences.seeds import derive_seed
from stages.training.ladder import Rung, ladder, shrunk
from stages.training.limits import Limit, free, is_out_of_memory
from stages.training.processes import Processes
from stages.training.recompute import set_recompute

T = TypeVar("T")

_FINE, _NO_MEMORY = 0, 1
_COMPUTED, _SUMMED, _CLIPPED = "", " where processes sum their gradients", " where the gradient is clipped and applied"
NEEDS_LESS = "a smaller detector.model, `ema: 0` and `optimizer: sgd` need less"
MicroBatches = list[tuple[int, Batch]]  # each with the place of its first clip in the epoch's order


class NotFiniteError(InputError):
    """The loss, or its gradient, is no number."""


class _OutOfMemory(Exception):
    """Memory ran out, in this process or another; its text is where."""


class Gradients:
    """Computes windows' gradients, on the first rung of the stage's ladder until memory runs out.

    ``held`` gives the tensors that are in memory besides the network and its gradients; ``room`` is how many bytes
    more the optimizer's step takes for a moment.
    """

    def __init__(
        self,
        name: str,
        detector: Detector,
        stage: Stage,
        accelerator: Accelerator,
        processes: Processes,
        seed: int,
        held: Callable[[], Iterable[torch.Tensor]] = list,
        room: int = 0,
    ):
        self._name, self._detector, self._stage, self._seed = name, detector, stage, seed
        self._accelerator, self._processes = accelerator, processes
        self._rungs, self.place = ladder(stage), 0
        self.falls: list[dict] = []  # rungs given up: in which step (None: before the first), from what to what
        self.limit = Limit(stage.memory.budget_gb, accelerator.device)
        self._kept = _Kept(detector)
        self._parts: tuple[str, ...] = ()  # of the loss: a process has them in a window where it has no micro-batch
        self._held, self._room, self.norm = held, room, 0.0
        if accelerator.scaler is not None:  # has no numbers before it scales: a process may begin with nothing to scale
            accelerator.scaler.scale(torch.zeros((), device=accelerator.device))
        set_recompute(detector, self.rung.gradient_checkpointing)

    @property
    def rung(self) -> Rung:
        """How windows are computed now."""
        return self._rungs[self.place]

    def go_on(self, place: int, parts: Iterable[str]) -> None:
        """Be on a rung, with the names of the loss's ``parts``: the first window may have nothing for this process."""
        self._parts = tuple(parts)
        self._start_at(place)

    def compute(self, epoch: int, window: MicroBatches, frames: int, step: int | None) -> dict[str, float]:
        """Give the parameters the clipped gradient of a window; returns loss parts, summed over this process's frames.

        ``frames`` counts those of all processes' micro-batches; ``norm`` is the gradient's before it was clipped.
        Raises `InputError` where no rung is left, and `NotFiniteError`.
        """
        self._kept.renew()
        while True:
            try:
                return self._whole(epoch, window, frames)
            except _OutOfMemory as error:
                where = str(error)
            # Out of the handler: the exception holds on to the tensors of its frames.
            self._put_back(self._kept)
            self._descend(step, where)

    def try_out(self, batch: Batch) -> None:
        """Find the first rung on which a batch fits; leaves no trace but the rung."""
        before = _Kept(self._detector)
        self.compute(0, [(0, batch)], len(batch) * self._processes.count, None)
        self._put_back(before)

    def _whole(self, epoch: int, window: MicroBatches, frames: int) -> dict[str, float]:
        sums = self._agreed(_COMPUTED, lambda: self._run(epoch, window, frames))
        parameters, network = self._detector.parameters(), self._detector.network
        self._processes.exchange(parameters, network, partial(self._agreed, _SUMMED))
        self.norm = self._agreed(_CLIPPED, self._clip)
        return sums

    def _agreed(self, where: str, work: Callable[[], T]) -> T:
        """What ``work`` gives; raises `_OutOfMemory` in all processes where memory runs out in one."""
        result = self._attempt(work)
        if self._processes.worst(_FINE if result is not None else _NO_MEMORY) == _NO_MEMORY:
            raise _OutOfMemory(where)
        return result

    def _attempt(self, work: Callable[[], T]) -> T | None:
        """What ``work`` gives, or None where memory ran out."""
        try:
            with self.limit.applied(self._there):
                return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None  # out of the handler, as above

    def _there(self) -> Iterator[torch.Tensor]:
        """All that is in memory already."""
        for parameter in self._detector.parameters():
            yield from (parameter,) if parameter.grad is None else (parameter, parameter.grad)
        yield from self._detector.buffers()
        yield from self._held()

    def _clip(self) -> float:
        """Clip the gradient; returns its norm before. What the optimizer's step will take is asked for here.

        A step that runs out half-way has changed some of the weights: that cannot be undone.
        """
        norm = self._accelerator.clip_grad_norm_(self._detector.parameters(), self._stage.clip_norm or math.inf)
        torch.empty(self._room, dtype=torch.uint8, device=self._accelerator.device)
        return float(norm)

    def _run(self, epoch: int, window: MicroBatches, frames: int) -> dict[str, float]:
        sums = dict.fromkeys(self._parts, 0.0)
        clip = self._stage.mixture.clip_length
        for first, batch in window:
            for start in range(0, len(batch), self.rung.batch):
                _seed_all(derive_seed(self._seed, "loss", epoch, first * clip + start))
                piece = batch.piece(start, start + self.rung.batch)
                for part, value in self._backward(epoch, piece, frames).items():
                    sums[part] = sums.get(part, 0.0) + value * len(piece)
        self._parts = tuple(sums)
        return sums

    def _backward(self, epoch: int, piece: Batch, frames: int) -> dict[str, float]:
        moved = shrunk(piece.to(self._accelerator.device), self.rung.scale, self._detector.stride)
        with self._accelerator.autocast():
            parts = self._detector(moved)
        self._accelerator.backward(sum(parts.values()) * (len(piece) / frames))
        values = dict(zip(parts, torch.stack([part.detach().float() for part in parts.values()]).tolist(), strict=True))
        self.require_finite(epoch, sum(values.values()), piece.names)
        return values

    def require_finite(self, epoch: int, value: float, frames: Iterable[str], what: str = "the loss") -> None:
        """Raise `NotFiniteError`, which names the frames, unless ``value`` is a number."""
        if not math.isfinite(value):
            shown = list(dict.fromkeys(frames))
            more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
            where = f"{self._name}: epoch {epoch}: {', '.join(shown[:4])}{more}"
            remedy = f"look at these frames, lower {self._name}.lr, lengthen {self._name}.warmup or train in fp32"
            raise NotFiniteError(where, f"{what} is {value}", remedy)

    def _start_at(self, place: int) -> None:
        self.place = place
        set_recompute(self._detector, self.rung.gradient_checkpointing)

    def _put_back(self, kept: _Kept) -> None:
        kept.put_back()
        scaler = self._accelerator.scaler
        if scaler is not None:  # remembers that it has unscaled these gradients, and refuses to do so twice
            scaler.update(scaler.get_scale())

    def _descend(self, step: int | None, where: str) -> None:
        free()
        before = self.rung
        if self.place + 1 == len(self._rungs):
            when = "before the first step" if step is None else f"in step {step + 1}"
            what = f"out of memory {when}{where}, with micro-batches of {before.batch} and images at {before.scale:.0%}"
            remedy = NEEDS_LESS if where else "lower memory.image_size or memory.batch"
            allowed = f"{self._name}.memory.on_oom allows nothing more"
            raise InputError(f"{self._name}.memory", what, f"{remedy} ({allowed})")
        self._start_at(self.place + 1)
        memory = self._stage.memory
        event = {"step": step, "before": before.settings(memory), "after": self.rung.settings(memory)}
        self.falls.append(event)


class _Kept:
    """What a forward pass changes before it fails: BatchNorm's statistics and what the loss keeps; and gradients."""

    def __init__(self, detector: Detector):
        self._detector, self._buffers = detector, list(detector.network.buffers())
        self._copies = [buffer.clone() for buffer in self._buffers]
        self._loss = detector.loss_state()

    def renew(self) -> None:
        """Keep what is there now."""
        _copy(self._copies, self._buffers)
        self._loss = self._detector.loss_state()

    def put_back(self) -> None:
        """As it was; there were no gradients."""
        _copy(self._buffers, self._copies)
        self._detector.load_loss_state(self._loss)
        self._detector.zero_grad(set_to_none=True)


@torch.no_grad()
def _copy(to: list[torch.Tensor], tensors: list[torch.Tensor]) -> None:
    if to:
        torch._foreach_copy_(to, tensors)


def _seed_all(seed: int) -> None:
    """Seed what a loss may draw from, a library's habits included."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
