"""Runs of the training loop on the rectangles' world, in this process: started, killed at a step, gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from stages import mixture
from stages.detectors import Detector
from stages.detectors.card import Card
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from stages.params import Params
from stages.training.launching import make_accelerator
from stages.training.loop import Trainer
from stages.training.outcome import Outcome
from stages.training.run import scratch_of, train
from stages.watching import Step, Watcher
from tests.rectangles import write_params, write_source
from tests.stub_detector import ARCHITECTURE, StubDetector

SEQUENCES = {"a": ("train", 20, 10.0), "b": ("val", 8, 10.0)}


class KilledError(Exception):
    """Stands for a kill."""


class Notes(Watcher):
    """Keeps what it is told."""

    def __init__(self):
        self.notes: list[str] = []
        self.steps: list[Step] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, step: Step) -> None:
        self.steps.append(step)


def project(folder: Path) -> None:
    """Write two sources; the working directory is ``folder``."""
    torch.set_num_threads(1)
    for source in ("street", "air"):
        write_source(folder, source, SEQUENCES)
    write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])


def prepare(folder: Path, stage: str, changes: dict[str, Any]) -> Params:
    """Write params.yaml with ``changes`` to the stage's block, and the mixtures up to the stage."""
    params = write_params(folder, {f"{stage}.{key}": value for key, value in changes.items()})
    for name in (*params.lineage(stage), stage):
        mixture.main(name)
    return params


def accelerator(params: Params, stage: str) -> Accelerator:
    """A new one: a process settles on one precision, and here it has many runs."""
    AcceleratorState._reset_state()
    return make_accelerator(stage, params.stages[stage])


def make_detector(script: object = None) -> Detector:
    """The stub, with the same fresh weights every time."""
    torch.manual_seed(1)
    return StubDetector(script=script)


def run(
    params: Params,
    stage: str = "stage1",
    detector: Detector | None = None,
    trainer: Callable[..., Trainer] = Trainer,
    watch: Watcher | None = None,
) -> Outcome:
    """Train a stage, from where it was saved last."""
    using, parent = accelerator(params, stage), Card(ARCHITECTURE, 64, sha256="parent")
    watch = watch or Watcher()
    with scratch_of(params, stage, parent, using) as scratch:
        return train(params, stage, detector or make_detector(), scratch, using, watch, trainer)


def forget() -> None:
    """Remove what runs were saved as."""
    for path in Path(".skyward/runs").glob("*/state.safetensors"):
        path.unlink()


def killed_after(step: int, save: bool = True) -> type[Trainer]:
    """A trainer that saves after so many steps (``save``) and dies right behind it."""

    class Mortal(Trainer):
        def _step(self, *arguments: object) -> None:
            if self.progress.step == step:
                if save:
                    self.saves.save(self.state)
                raise KilledError
            super()._step(*arguments)

    return Mortal
