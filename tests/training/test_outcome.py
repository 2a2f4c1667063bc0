"""What a run says of itself at its end."""

from __future__ import annotations

import json

import pytest
from torch import nn

from stages.params import Memory, Stage
from stages.training.ladder import Rung
from stages.training.outcome import Outcome, _batchnorm, cost
from stages.training.state import Progress
from tests.stub_detector import StubDetector
from tests.training_keys import Train


def _stage(**changes: object) -> Stage:
    base = {"mixture": {"sources": {"street": {"frames": 4}}}, "epochs": 10, "lr": 0.1}
    return Stage.model_validate(base | {"memory": {"batch": 2, "image_size": 64}} | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "training: normalises by each micro-batch of 2 frames, statistics follow"),
        (
            {"freeze": ("backbone",)},
            "training: normalises by each micro-batch of 2 frames, statistics follow; frozen in backbone",
        ),
        (
            {"freeze": ("backbone", "neck"), "thaw": 3},
            "training: normalises by each micro-batch of 2 frames, statistics follow; "
            "frozen in backbone, neck until epoch 3",
        ),
        ({"freeze_batchnorm": True}, "frozen: the parent's statistics normalise and stay"),
    ],
)
def test_what_batchnorm_did_is_said(changes: dict, said: str):
    assert _batchnorm(StubDetector(), _stage(**changes), 2) == said


def test_a_network_may_have_none():
    detector = StubDetector()
    detector.network[1] = nn.GroupNorm(2, 4)
    assert _batchnorm(detector, _stage(), 2) == "none in this network"


def test_the_cost_by_hand():
    event = {"step": 3, "before": {}, "after": {}}
    progress = Progress(
        step=40,
        oom_events=[event],
        resumed_at=[10, 20],
        left_out=5,
        skipped=3,
        images=640,
        training_seconds=200.0,
        earlier_seconds=150.0,
        waiting_seconds=5.0,
        saving_seconds=1.0,
        peak_memory_mb=123.4,
    )
    rung = Rung(2, True).settings(_stage(memory={"batch": 4, "image_size": 64}).memory)
    spent = cost(Outcome({}, {}, {"rung": rung, "processes": 2}, progress), 12.34)
    assert {key: spent[key] for key in list(spent) if key not in ("device", "torch")} == {
        "seconds": 162.3,  # this process, and what killed ones had trained for
        "training_seconds": 200.0,
        "waiting_share": 0.025,
        "saving_share": 0.005,
        "steps": 40,
        "skipped_steps": 3,
        "images": 640,
        "resumed_at_steps": [10, 20],
        "oom_events": [event],
        "rung": {"batch": 2, "accumulate": 2, "gradient_checkpointing": True, "image_size": 64},
        "peak_memory_mb": 123,
        "objects_left_out": 5,
        "processes": 2,
    }


def test_settings_are_what_was_in_effect(train: Train):
    run = train(epochs=2, lr=0.1, lr_backbone=0.01, warmup=1.0, clip_norm=3.0, ema=0.5, **{"memory.batch": 2})
    settings = run.outcome.settings
    groups = run.trainer.state.optimizer.param_groups
    assert [(group["part"], group["base_lr"]) for group in settings["groups"]] == [
        (group["part"], group["base_lr"]) for group in groups
    ]
    assert settings["lr_by_epoch"] == pytest.approx([run.rates[3][-1], run.rates[7][-1]], rel=1e-6)
    assert (settings["clip_norm"], settings["ema"], settings["warmup"], settings["schedule"]) == (3, 0.5, 1, "cosine")
    assert settings["rungs_given_up"] == [] and settings["rung"]["batch"] == 2
    said = settings["params"]
    assert (said["lr"], said["lr_backbone"], said["min_loaded"], said["validate_every"]) == (0.1, 0.01, 0.95, 1)
    assert (said["lr_drop"], said["patience"], said["keep_every"]) == (None, None, None)
    assert run.outcome.selected.keys() == {"select", "weights", "metric", "epoch", "score"}


def test_every_key_of_the_stage_is_among_the_settings(train: Train):
    changes = {
        "epochs": 5,
        "schedule": "step",
        "lr_drop": 3,
        "patience": 2,
        "validate_every": 2,
        "keep_every": 2,
        "mixture.clip_length": 2,
        "mixture.intervals": [0.1, 0.2],
        "memory.max_objects": 1,
        "memory.budget_gb": 50.0,
        "memory.on_oom": ["split"],
    }
    run = train(**changes)
    said = run.outcome.settings["params"]
    for key, value in changes.items():
        block, _, name = key.rpartition(".")
        assert (said[block] if block else said)[name] == value, key
    assert said.keys() == Stage.model_fields.keys() and "workers" not in said["memory"]
    assert said["memory"].keys() | {"workers"} == Memory.model_fields.keys()
    assert json.loads(json.dumps(said)) == said


def test_what_changes_nothing_is_not_among_them(train: Train):
    assert train(epochs=1, **{"memory.workers": 1}).outcome.settings == train(epochs=1).outcome.settings
