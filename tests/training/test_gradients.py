"""A loss, or a gradient, that is no number stops the run and names the frames. Running out: test_ladder.py."""

from __future__ import annotations

import math

import pytest
import torch

from stages.detectors import Batch
from stages.errors import InputError
from stages.training.gradients import NotFiniteError
from tests.stub_detector import Script, StubDetector
from tests.training_keys import PLAIN, Train

FRAME = r"street/a frame \d+"


class Poisoned(StubDetector):
    """Its loss is ``value`` in the micro-batch of a number."""

    def __init__(self, value: float, number: int):
        torch.manual_seed(1)
        super().__init__()
        self.value, self.number = value, number

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        parts = super().forward(batch)
        if len(self.script.batches) == self.number:
            parts["loss_cls"] = parts["loss_cls"] * 0 + self.value
        return parts


@pytest.mark.parametrize(("value", "shown"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_loss_that_is_no_number_names_its_micro_batch(train: Train, value: float, shown: str):
    detector = Poisoned(value, 6)
    with pytest.raises(NotFiniteError) as caught:
        train(detector=detector, **{"memory.batch": 2, "memory.accumulate": 2})
    assert len(detector.script.batches) == 6  # it does not go on
    names = ", ".join(detector.script.batches[-1].names)
    assert str(caught.value) == (
        f"stage1: epoch 2: {names}: the loss is {shown}: "
        "look at these frames, lower stage1.lr, lengthen stage1.warmup or train in fp32"
    )


def test_of_many_frames_four_are_named(train: Train):
    with pytest.raises(NotFiniteError, match=rf"^stage1: epoch 1: ({FRAME}, ){{3}}{FRAME} and 4 more: the loss is nan"):
        train(detector=Poisoned(math.nan, 1), **{"memory.batch": 8})


@pytest.mark.parametrize("clip_norm", [10.0, None])
@pytest.mark.parametrize("number", [2, 4])
def test_a_gradient_that_is_no_number_names_the_steps_frames(train: Train, clip_norm: float | None, number: int):
    """Although the loss is one; in the last step too."""
    script = Script(break_at=number)
    with pytest.raises(NotFiniteError) as caught:
        train(script=script, clip_norm=clip_norm)
    names = ", ".join(script.batches[-1].names)
    assert str(caught.value).startswith(f"stage1: epoch {number // 2}: {names}: the gradient's norm is nan: look at")
    assert len(script.batches) == number and script.epochs_ended == number // 2 - 1


def test_a_step_too_wide_is_seen_in_the_next_loss(train: Train):
    with pytest.raises(
        InputError, match=rf"^stage1: epoch 2: ({FRAME}, ){{3}}{FRAME} and 4 more: the loss is nan: look"
    ):
        train(**PLAIN | {"lr": 1e30, "epochs": 3, "memory.batch": 8, "freeze_batchnorm": True, "validate_every": 3})


class Steep(StubDetector):
    """Its gradient is finite, and a million times what it was."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: part * 1e6 for name, part in super().forward(batch).items()}


def test_weights_that_are_no_number_stop_even_after_the_last_step(train: Train):
    with pytest.raises(InputError, match=r"^stage1: epoch 1: `\d\.\w+` is not finite: lower stage1\.lr, lengthen"):
        train(detector=Steep(), **PLAIN | {"lr": 1e38, "epochs": 1, "memory.batch": 8})
