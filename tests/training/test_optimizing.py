from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from stages.params import Stage
from stages.training.ema import Ema
from stages.training.limits import LiveBytes
from stages.training.optimizing import (
    allocate_state,
    begin_epoch,
    describe,
    frozen_parts,
    learning_rates,
    lr_factor,
    make_optimizer,
    set_learning_rates,
    step_bytes,
)
from stages.training.state import _optimizer_tensors
from tests.stub_detector import StubDetector


def _stage(**changes: object) -> Stage:
    base = {"mixture": {"sources": {"street": {"frames": 4}}}, "epochs": 10, "lr": 0.1}
    return Stage.model_validate(base | {"memory": {"batch": 2, "image_size": 64}} | changes)


@pytest.mark.parametrize(
    ("changes", "step", "expected"),
    [
        ({"schedule": "constant"}, 0, 1.0),
        ({"schedule": "constant"}, 99, 1.0),
        ({"schedule": "constant", "warmup": 2.0}, 0, 1 / 8),  # 2 epochs of 4 steps: eighths
        ({"schedule": "constant", "warmup": 2.0}, 6, 7 / 8),
        ({"schedule": "constant", "warmup": 2.0}, 7, 1.0),
        ({"schedule": "constant", "warmup": 0.5}, 0, 1 / 2),
        ({"schedule": "step", "lr_drop": 3}, 11, 1.0),
        ({"schedule": "step", "lr_drop": 3}, 12, 0.1),
        ({"schedule": "step", "lr_drop": 3, "warmup": 4.0}, 12, 0.1 * 13 / 16),
        ({"schedule": "cosine"}, 0, 1.0),
        ({"schedule": "cosine"}, 20, 0.505),  # half-way between 1 and 0.01
        ({"schedule": "cosine"}, 40, 0.01),
        ({"schedule": "cosine"}, 10, 0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2),
        ({"schedule": "cosine", "warmup": 1.0}, 1, 0.5 * (0.01 + 0.99 * (1 + math.cos(math.pi / 40)) / 2)),
    ],
)
def test_the_factor_by_hand(changes: dict, step: int, expected: float):
    assert lr_factor(_stage(**changes), step, steps_per_epoch=4) == pytest.approx(expected, rel=1e-12)


def test_every_parameter_is_in_one_group_and_the_card_describes_them():
    detector = StubDetector()
    optimizer = make_optimizer(detector, _stage(lr_backbone=0.01, weight_decay=0.5))
    assert [(g["part"], g["weight_decay"], g["base_lr"], g["parameters"]) for g in describe(optimizer)] == [
        ("backbone", 0.5, 0.01, 192),  # 4 x 3 x 4 x 4
        ("backbone", 0.0, 0.01, 12),  # a bias, BatchNorm's scale and shift
        ("neck", 0.5, 0.1, 16),
        ("neck", 0.0, 0.1, 4),
        ("head", 0.5, 0.1, 8),
        ("head", 0.0, 0.1, 2),
    ]
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in detector.parameters())
    set_learning_rates(optimizer, 0.5)
    set_learning_rates(optimizer, 0.25)  # of the group's own rate, not of the last
    assert [group["lr"] for group in optimizer.param_groups] == [0.0025] * 2 + [0.025] * 4


def test_the_groups_of_muon():
    optimizer = make_optimizer(StubDetector(), _stage(optimizer="muon", momentum=0.8, weight_decay=0.5))
    assert type(optimizer).__name__ == "MuSGD"
    shown = [(g["part"], g["use_muon"], g["weight_decay"], g["momentum"], g["nesterov"]) for g in describe(optimizer)]
    assert shown == [
        (part, matrix, 0.5 * matrix, 0.8, True) for part in ("backbone", "neck", "head") for matrix in (True, False)
    ]


def test_rates_are_told_by_part():
    optimizer = make_optimizer(StubDetector(), _stage(lr_backbone=0.01))
    set_learning_rates(optimizer, 0.5)
    assert learning_rates(optimizer) == {"backbone": 0.005, "neck": 0.05, "head": 0.05}


def _frozen(detector: StubDetector) -> set[str]:
    return {
        part
        for part, modules in detector.parts().items()
        if not any(parameter.requires_grad for module in modules for parameter in module.parameters())
    }


def test_what_is_frozen_for_good_is_in_no_group_and_learns_nothing():
    detector, stage = StubDetector(), _stage(freeze=("backbone",))
    begin_epoch(detector, stage, 1)
    assert {group["part"] for group in make_optimizer(detector, stage).param_groups} == {"neck", "head"}
    assert _frozen(detector) == {"backbone"}
    begin_epoch(detector, stage, 10)
    assert _frozen(detector) == {"backbone"}


def test_what_is_thawed_has_its_groups_from_the_beginning():
    detector, stage = StubDetector(), _stage(freeze=("backbone", "neck", "head"), thaw=3)
    groups = describe(make_optimizer(detector, stage))
    assert groups == describe(make_optimizer(detector, _stage()))
    for epoch, frozen in [(1, {"backbone", "neck", "head"}), (3, {"backbone", "neck", "head"}), (4, set())]:
        begin_epoch(detector, stage, epoch)
        assert _frozen(detector) == set(frozen_parts(stage, epoch)) == frozen
        assert detector.network[1].training == (not frozen)


@pytest.mark.parametrize(
    ("changes", "training"),
    [
        ({}, True),
        ({"freeze": ("backbone",)}, False),
        ({"freeze": ("backbone",), "thaw": 1}, True),
        ({"freeze": ("backbone",), "thaw": 2}, False),
        ({"freeze": ("head",)}, True),
        ({"freeze_batchnorm": True}, False),
        ({"freeze": ("backbone",), "thaw": 1, "freeze_batchnorm": True}, False),
    ],
)
def test_batchnorm_of_frozen_parts_is_at_rest(changes: dict, training: bool):
    detector = StubDetector().eval()
    begin_epoch(detector, _stage(**changes), 2)
    assert detector.training and detector.network[3].training
    assert [m.training for m in detector.modules() if isinstance(m, nn.BatchNorm2d)] == [training]


OPTIMIZERS = [{}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.0}, {"optimizer": "muon"}]


def _stepped(changes: dict, ahead: bool) -> tuple[StubDetector, torch.optim.Optimizer]:
    """A detector and its optimizer after three steps, in the first of which the neck was frozen."""
    torch.manual_seed(1)
    detector, stage = StubDetector(), _stage(**changes)
    optimizer = make_optimizer(detector, stage)
    if ahead:
        allocate_state(optimizer, stage)
    for step in range(3):
        sum(parameter.square().sum() for parameter in detector.parameters()).backward()
        if not step:
            detector.network[2].zero_grad(set_to_none=True)
        optimizer.step()
        optimizer.zero_grad()
    return detector, optimizer


@pytest.mark.parametrize("changes", OPTIMIZERS)
def test_state_that_is_there_from_the_start_changes_nothing(changes: dict):
    (one, ahead), (other, late) = (_stepped(changes, is_ahead) for is_ahead in (True, False))
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))
    assert _optimizer_tensors(ahead).keys() == _optimizer_tensors(late).keys()
    for name, tensor in _optimizer_tensors(late).items():
        ours = _optimizer_tensors(ahead)[name]
        assert torch.equal(ours, tensor) and (ours.dtype, ours.stride()) == (tensor.dtype, tensor.stride())


@pytest.mark.parametrize("changes", OPTIMIZERS)
def test_a_step_takes_no_more_memory_than_is_said(changes: dict):
    detector, stage = StubDetector(), _stage(**changes)
    optimizer = make_optimizer(detector, stage)
    allocate_state(optimizer, stage)
    for group in optimizer.param_groups if stage.optimizer == "sgd" else []:
        group["foreach"] = True  # as on a GPU
    sum(parameter.square().sum() for parameter in detector.parameters()).backward()
    with LiveBytes(10**9) as counter:
        optimizer.step()
    assert counter.live == 0  # and keeps none of it
    assert 0.5 * step_bytes(optimizer, stage) <= counter.peak <= step_bytes(optimizer, stage) or not stage.momentum


def test_the_average_by_hand():
    detector = StubDetector()
    ema = Ema(detector, 0.15)
    weight, values = detector.network[3].weight, [10.0, 20.0, 30.0]
    start = weight.detach().clone()
    expected = start.clone()
    for value, decay in zip(values, [0.15, 0.15, 0.15], strict=True):  # (1 + t) / (10 + t) is 2/11 and above
        weight.data.fill_(value)
        detector.network[1].num_batches_tracked += 1
        ema.update(detector)
        expected = decay * expected + (1 - decay) * value
    assert torch.allclose(ema.detector.network[3].weight, expected, atol=1e-5)
    assert ema.detector.network[1].num_batches_tracked == 3  # counted, not averaged
    assert not ema.detector.training and not any(p.requires_grad for p in ema.detector.parameters())


def test_the_average_of_a_short_run_forgets_its_first_weights():
    detector = StubDetector()
    ema = Ema(detector, 0.999)
    detector.network[3].weight.data.fill_(0.0)
    start = ema.detector.network[3].weight.clone()
    ema.update(detector)
    ema.update(detector)
    assert torch.allclose(ema.detector.network[3].weight, start * (2 / 11) * (3 / 12), atol=1e-7)


def test_without_decay_the_average_is_the_network_itself():
    detector = StubDetector()
    ema = Ema(detector, 0.0)
    ema.update(detector)
    assert ema.detector is detector
