"""The one training loop, for every detector family.

A run is a sequence of optimizer steps, each over a window of micro-batches. Between two steps all that the run is
can be saved, and gone on from: the run that comes of it is the same to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from accelerate import Accelerator

from stages.detectors import Batch, Detector
from stages.errors import InputError
from stages.params import Stage
from stages.training.gradients import NEEDS_LESS, Gradients, MicroBatches
from stages.training.limits import told_as
from stages.training.loader import collate, make_loader
from stages.training.optimizing import (
    allocate_state,
    begin_epoch,
    learning_rates,
    lr_factor,
    set_learning_rates,
    step_bytes,
)
from stages.training.order import RunOrder, Window
from stages.training.outcome import Outcome, make_outcome
from stages.training.pace import Pace
from stages.training.processes import Processes
from stages.training.samples import ClipSamples
from stages.training.saving import Saves
from stages.training.state import LEAST_SCALE, Progress, RunState, Tensors
from stages.watching import Step, Watcher

Validate = Callable[[Detector], dict[str, float]]


class Trainer:
    """Trains one stage."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        state: RunState,
        samples: ClipSamples,
        order: RunOrder,
        validate: Validate,
        accelerator: Accelerator,
        saves: Saves,
        watch: Watcher,
        seed: int,
    ):
        self.name, self.stage, self.state, self.samples, self.order = name, stage, state, samples, order
        self.accelerator, self.validate, self.saves, self.watch = accelerator, validate, saves, watch
        self.detector = state.detector
        self.processes = Processes(accelerator)
        room = step_bytes(state.optimizer, stage)
        self.gradients = Gradients(name, self.detector, stage, accelerator, self.processes, seed, state.on_device, room)
        self.pace = Pace()

    @property
    def progress(self) -> Progress:
        """Where the run is."""
        return self.state.progress

    def run(self, saved: tuple[Tensors, Progress] | None = None) -> Outcome:
        """Train all epochs, or what is left of them after what was ``saved``."""
        self._begin(saved)
        loader = make_loader(self.samples, self.order, self.stage.memory.workers, self.detector.stride)
        micro_batches = iter(loader)
        while not self._finished():
            step = self.progress.step
            self._step(self.order.window(step), micro_batches)
            if (step + 1) % self.order.steps_per_epoch == 0:
                self._end_epoch((step + 1) // self.order.steps_per_epoch)
            self.pace.add_to(self.progress, self.gradients.limit.peak_mb())
            self.saves.between_steps(self.state, self._finished())
        return make_outcome(self.stage, self.state, self.gradients, self.processes.count)

    def _finished(self) -> bool:
        return self.progress.ended or self.progress.step == self.order.steps

    def _begin(self, saved: tuple[Tensors, Progress] | None) -> None:
        """Be what was saved, or make the trial that finds the rung to begin on."""
        self.detector.begin_training(self.stage.epochs)
        with told_as(f"{self.name}.optimizer", "out of memory for what the optimizer keeps", NEEDS_LESS):
            allocate_state(self.state.optimizer, self.stage)
        if saved is not None:
            self.state.take_back(*saved)
            self.gradients.go_on(self.progress.rung, self.progress.sums)
            self.progress.earlier_seconds = self.progress.training_seconds
            if not self._finished():
                self.progress.resumed_at.append(self.progress.step)
            self.watch.note(f"goes on after step {self.progress.step} of {self.order.steps}")
        epoch = min(self.progress.step // self.order.steps_per_epoch + 1, self.stage.epochs)
        begin_epoch(self.detector, self.stage, epoch)
        self.order.start = self.progress.step
        if saved is None:
            self._try_densest()
        if self.stage.compile:
            self.detector.network.compile()

    def _try_densest(self) -> None:
        """Run the fullest micro-batch there is forward and backward, before training."""
        if self.gradients.limit.is_known:
            places = self.samples.densest(self.stage.memory.batch // self.stage.mixture.clip_length)
            self.gradients.try_out(collate([self.samples[place] for place in places], self.detector.stride))
            self._note_falls()

    def _step(self, window: Window, micro_batches: Iterator[Batch]) -> None:
        """One optimizer step. All that it changes is in the state."""
        batches = self._take(window, micro_batches)
        frames = window.clips * self.stage.mixture.clip_length
        step, progress = self.progress.step, self.progress
        set_learning_rates(self.state.optimizer, lr_factor(self.stage, step, self.order.steps_per_epoch))
        sums = self.processes.sums(self.gradients.compute(window.epoch, batches, frames, step))
        self._note_falls()
        self._apply(window.epoch, batches)
        progress.left_out += sum(batch.left_out for _, batch in batches)
        for part, value in sums.items():
            progress.sums[part] = progress.sums.get(part, 0.0) + value
        progress.frames += frames
        progress.images += frames
        progress.step += 1
        self._show(window.epoch, {part: value / frames for part, value in sums.items()}, frames)

    def _take(self, window: Window, micro_batches: Iterator[Batch]) -> MicroBatches:
        start = time.perf_counter()
        batches = list(islice(micro_batches, len(window.batches)))
        self.pace.waited(time.perf_counter() - start)
        return [(first, batch) for (first, _), batch in zip(window.batches, batches, strict=True)]

    def _apply(self, epoch: int, batches: MicroBatches) -> None:
        """Step the optimizer and the average, or count a step that fp16's scaler skips."""
        names = [name for _, batch in batches for name in batch.names]
        if self.state.scaler is None:
            self.gradients.require_finite(epoch, self.gradients.norm, names, "the gradient's norm")
        # Its room was there a moment ago. Half of the weights may have stepped: only what is on disk is whole.
        remedy = f"run again: it goes on from the last saved step; {NEEDS_LESS}"
        with told_as(f"{self.name}.optimizer", "out of memory where it steps", remedy):
            has_stepped = self.state.step()
        self.progress.skipped += not has_stepped
        if not has_stepped and self.state.scale < LEAST_SCALE:
            what = f"after {self.progress.skipped} skipped steps, the loss scaled by less than 1, the gradient's norm"
            self.gradients.require_finite(epoch, self.gradients.norm, names, what)
        self.detector.zero_grad(set_to_none=True)

    def _end_epoch(self, epoch: int) -> None:
        """Write the epoch's row of the history, validate where it is due, and make ready for the next."""
        progress, stage = self.progress, self.stage
        means = {part: value / progress.frames for part, value in progress.sums.items()}
        row = {
            "epoch": epoch,
            "lr": list(learning_rates(self.state.optimizer).values())[-1],
            "loss": sum(means.values()),
        }
        row = {key: value if key == "epoch" else round(value, 8) for key, value in (row | means).items()}
        self._require_finite(epoch)
        self.detector.end_epoch()
        if epoch % stage.validate_every == 0 or epoch == stage.epochs:
            # Processes may differ in the last bit, or in the batch that fits; one that ended alone would be waited for.
            row |= self.processes.first(self.validate(self.state.ema.detector))
            self._compare(epoch, row[stage.metric])
        if stage.keep_every and epoch % stage.keep_every == 0:
            self.saves.keep(epoch, self.state)
        progress.history.append(row)
        progress.sums, progress.frames = {}, 0
        self.watch.epoch(row)
        begin_epoch(self.detector, stage, epoch + 1)

    def _require_finite(self, epoch: int) -> None:
        """Raise `InputError` where weights have left the numbers."""
        broken = next((name for name, tensor in self.state.average().items() if not tensor.isfinite().all()), None)
        if broken:
            remedy = f"lower {self.name}.lr, lengthen {self.name}.warmup or train in fp32"
            raise InputError(f"{self.name}: epoch {epoch}", f"`{broken}` is not finite", remedy)

    def _compare(self, epoch: int, score: float) -> None:
        """Remember the weights of the best validation (with equal scores, the earlier); end without a better one."""
        best = self.progress.best
        if best is None or score > best["score"]:
            self.progress.best = {"score": score, "epoch": epoch}
            self.state.keep_best()
        elif self.stage.patience is not None and best["epoch"] + self.stage.patience <= epoch < self.stage.epochs:
            self.progress.ended = True
            self.watch.note(f"no better {self.stage.metric} since epoch {best['epoch']}: ends here")

    def _note_falls(self) -> None:
        """Put rungs given up on record."""
        while self.gradients.falls:
            event = self.gradients.falls.pop(0)
            self.progress.rung = self.gradients.place
            self.progress.oom_events.append(event)
            self.watch.note(f"out of memory: goes on with {event['after']}")

    def _show(self, epoch: int, losses: dict[str, float], frames: int) -> None:
        step = self.progress.step
        self.pace.stepped(frames)
        self.watch.step(
            Step(
                epoch=epoch,
                epochs=self.stage.epochs,
                step=step,
                steps=self.order.steps,
                losses={"loss": sum(losses.values())} | losses,
                rates=learning_rates(self.state.optimizer),
                images_per_second=self.pace.images_per_second,
                memory_mb=self.gradients.limit.peak_mb(),
                waited=self.pace.share_waited,
                seconds=self.pace.seconds(self.progress),
                seconds_left=self.pace.seconds_left(self.order.steps - step),
            )
        )
