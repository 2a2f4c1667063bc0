"""Keys that say for how long, how fast and what is trained."""

from __future__ import annotations

import math

import pytest
import torch

from tests.training_keys import PLAIN, STATISTICS, WEIGHTS, Row, Run, Train


def epochs(train: Train) -> None:
    run = train(epochs=3)
    assert [row["epoch"] for row in run.outcome.history] == [1, 2, 3]
    assert len(run.states) == run.outcome.settings["steps"] == 6  # 8 frames in batches of 4
    assert run.script.epochs_ended == 3


def lr(train: Train) -> None:
    run = train(lr=0.25, schedule="constant")
    assert {group["lr"] for group in run.trainer.state.optimizer.param_groups} == {0.25}
    assert run.outcome.settings["lr_by_epoch"] == [0.25, 0.25]


def lr_backbone(train: Train) -> None:
    run = train(lr=0.25, lr_backbone=0.0, schedule="constant", freeze_batchnorm=True, **{"weight_decay": 0.0})
    assert run.group("backbone", True)["lr"] == run.group("backbone", False)["lr"] == 0.0
    assert run.group("neck", True)["lr"] == run.group("head", False)["lr"] == 0.25
    assert run.changed() == {name for name in WEIGHTS if name[0] in "23"}
    assert train(lr=0.25, lr_backbone=0.5, schedule="constant").group("backbone", True)["lr"] == 0.5


def schedule(train: Train) -> None:
    assert [rates[0] for rates in train(schedule="constant", lr=0.1).rates] == [0.1] * 4
    # 2 epochs of 2 steps: progress 0, 1/4, 1/2, 3/4 of a half cosine from 1 to 0.01.
    cosine = [0.1 * (0.01 + 0.99 * (1 + math.cos(math.pi * t / 4)) / 2) for t in range(4)]
    assert [rates[0] for rates in train(schedule="cosine", lr=0.1).rates] == pytest.approx(cosine, rel=1e-12)


def lr_drop(train: Train) -> None:
    run = train(schedule="step", lr_drop=2, epochs=3, lr=0.1, lr_backbone=0.2)
    assert [rates[-1] for rates in run.rates] == pytest.approx([0.1] * 4 + [0.01] * 2, rel=1e-12)
    assert [rates[0] for rates in run.rates] == pytest.approx([0.2] * 4 + [0.02] * 2, rel=1e-12)


def warmup(train: Train) -> None:
    run = train(warmup=1.5, schedule="constant", lr=0.3)  # three steps
    assert [rates[0] for rates in run.rates] == pytest.approx([0.1, 0.2, 0.3, 0.3], rel=1e-12)


def optimizer(train: Train) -> None:
    adamw, sgd, muon = (train(optimizer=name, epochs=1) for name in ("adamw", "sgd", "muon"))
    names = [run.outcome.settings["optimizer"] for run in (adamw, sgd, muon)]
    assert names == ["AdamW", "SGD", "MuSGD"]
    assert type(adamw.trainer.state.optimizer) is torch.optim.AdamW
    assert type(sgd.trainer.state.optimizer) is torch.optim.SGD and sgd.group("head", True)["nesterov"]
    assert muon.group("head", True)["use_muon"] and not muon.group("head", False)["use_muon"]
    first = [run.states[0]["3.weight"] - run.before["3.weight"] for run in (adamw, sgd, muon)]
    assert all(not torch.allclose(first[i], first[j], rtol=1e-3, atol=0) for i, j in [(0, 1), (0, 2), (1, 2)])


def momentum(train: Train) -> None:
    assert train(optimizer="sgd", momentum=0.7).group("head", True)["momentum"] == 0.7
    assert train(optimizer="muon", momentum=0.7).group("head", True)["momentum"] == 0.7
    assert train(optimizer="adamw", momentum=0.7).group("head", True)["betas"] == (0.7, 0.999)
    assert not train(optimizer="sgd", momentum=0.0).group("head", True)["nesterov"]


def weight_decay(train: Train) -> None:
    run = train(weight_decay=0.125)
    for part in ("backbone", "neck", "head"):
        assert run.group(part, True)["weight_decay"] == 0.125 and run.group(part, False)["weight_decay"] == 0.0


def _length(run: Run) -> float:
    """Of the first step, over all weights."""
    return math.sqrt(sum((run.states[0][name] - run.before[name]).square().sum() for name in WEIGHTS))


def clip_norm(train: Train) -> None:
    assert _length(train(**PLAIN | {"clip_norm": 0.01, "lr": 0.5})) == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert _length(train(**PLAIN | {"lr": 0.5})) > 0.05


def ema(train: Train) -> None:
    run = train(ema=0.2, select="last", lr=0.1)
    average = run.before["3.weight"]
    for step, state in enumerate(run.states, 1):
        decay = min(0.2, (1 + step) / (10 + step))  # 2/11 at the first step, then 0.2
        average = decay * average + (1 - decay) * state["3.weight"]
    assert torch.allclose(run.outcome.tensors["3.weight"], average, rtol=0, atol=1e-6)
    assert run.outcome.selected["weights"] == "ema"
    without = train(ema=0.0, select="last", lr=0.1)
    assert all(torch.equal(without.outcome.tensors[name], without.after[name]) for name in without.after)
    assert without.outcome.selected["weights"] == "network"
    assert not torch.equal(run.outcome.tensors["3.weight"], without.outcome.tensors["3.weight"])


def _layers(numbers: str) -> set[str]:
    return {name for name in WEIGHTS if name[0] in numbers}


def freeze(train: Train) -> None:
    assert train().changed() == WEIGHTS | STATISTICS
    assert train(freeze=["backbone"]).changed() == _layers("23")
    run = train(freeze=["neck", "head"])
    assert run.changed() == _layers("01") | STATISTICS
    assert run.outcome.settings["parameters_trained"] == 3 * 4 * 16 + 4 + 8


def thaw(train: Train) -> None:
    run = train(freeze=["backbone", "head"], thaw=1, epochs=3)
    assert run.changed(0, 2) == _layers("2")  # two steps are an epoch
    assert run.changed(2, 3) == WEIGHTS | STATISTICS
    assert run.outcome.settings["freeze"] == {"parts": ["backbone", "head"], "thawed_after_epoch": 1}
    assert run.outcome.settings["parameters_trained"] == 3 * 4 * 16 + 4 + 8 + 20 + 10
    assert run.outcome.settings["batchnorm"].endswith("; frozen in backbone, head until epoch 1")
    never = train(freeze=["backbone", "head"], epochs=3)
    assert all(torch.equal(run.states[1][name], never.states[1][name]) for name in run.before)


def freeze_batchnorm(train: Train) -> None:
    run = train(freeze_batchnorm=True)
    assert run.changed() == WEIGHTS and run.after["1.num_batches_tracked"] == 0
    assert run.outcome.settings["batchnorm"].startswith("frozen")
    assert train().outcome.settings["batchnorm"].startswith("training: normalises by each micro-batch of 4 frames")


ROWS: dict[str, Row] = {
    "epochs": epochs,
    "lr": lr,
    "lr_backbone": lr_backbone,
    "schedule": schedule,
    "lr_drop": lr_drop,
    "warmup": warmup,
    "optimizer": optimizer,
    "momentum": momentum,
    "weight_decay": weight_decay,
    "clip_norm": clip_norm,
    "ema": ema,
    "freeze": freeze,
    "thaw": thaw,
    "freeze_batchnorm": freeze_batchnorm,
}


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)
