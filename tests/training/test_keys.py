"""Every key of a stage acts, from params.yaml through the mixture into the loop: a row for each, by subject."""

from __future__ import annotations

import pytest
import torch
from pydantic import BaseModel

from stages.detectors import Batch
from stages.params import Stage
from tests.stub_detector import StubDetector
from tests.training import (
    test_keys_augment,
    test_keys_memory,
    test_keys_mixture,
    test_keys_optimizing,
    test_keys_selecting,
)
from tests.training_keys import PLAIN, WEIGHTS, Train

SUBJECTS = (test_keys_augment, test_keys_memory, test_keys_mixture, test_keys_optimizing, test_keys_selecting)


def _keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        block = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        keys |= _keys(field.annotation, f"{prefix}{name}.") if block else {f"{prefix}{name}"}
    return keys


def test_every_key_of_a_stage_has_a_row():
    rows = [key for subject in SUBJECTS for key in subject.ROWS]
    assert sorted(rows) == sorted(_keys(Stage))


@pytest.mark.parametrize(("batch", "accumulate"), [(4, 2), (2, 4), (1, 8)])
def test_a_window_cut_smaller_gives_the_same_step(train: Train, batch: int, accumulate: int):
    changes = PLAIN | {"freeze_batchnorm": True, "lr": 0.1, "mixture.sources": {"street": {"frames": 13}}}
    whole = train(**changes | {"memory.batch": 8})
    cut = train(**changes | {"memory.batch": batch, "memory.accumulate": accumulate})
    assert len(whole.states) == len(cut.states) == 4  # windows of 8 and 5 frames, two epochs
    for one, other in zip(whole.states, cut.states, strict=True):
        for name in WEIGHTS:
            assert torch.allclose(one[name], other[name], rtol=1e-5, atol=1e-6), name
    for one, other in zip(whole.outcome.history, cut.outcome.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)


def _loss(weights: dict[str, torch.Tensor], batch: Batch) -> dict[str, float]:
    detector = StubDetector()
    detector.network.load_state_dict(weights)
    return {part: float(value.detach()) for part, value in detector.eval()(batch).items()}


def test_the_history_holds_means_over_frames(train: Train):
    run = train(**PLAIN | {"lr": 1e-12, "epochs": 1, "freeze_batchnorm": True, "memory.batch": 6})
    six, two = (_loss(run.before, seen) for seen in run.script.batches[:2])
    row = run.outcome.history[0]
    assert row["loss_box"] == pytest.approx((6 * six["loss_box"] + 2 * two["loss_box"]) / 8, rel=1e-5)
    assert row["loss"] == pytest.approx(row["loss_box"] + row["loss_cls"], abs=2e-8)
