"""Forgetting and transfer against hand-made numbers, in curricula that follow one another, branch and return."""

from __future__ import annotations

import pytest
from drawing_project import HOTA, lay_out

from stages.curriculum.transfer import backward_transfer, forgetting, forward_transfer, means
from stages.params import Params


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    """Stage 1 learns street, stages 2 and 3 learn air."""
    monkeypatch.chdir(tmp_path)
    return lay_out()


def changed(params: Params, after: dict[str, str], learns: dict[str, str]) -> Params:
    """The same with other parents and other sources."""
    curriculum = {
        name: entry.model_copy(update={"after": after[name]}) if name in after else entry
        for name, entry in params.curriculum.items()
    }
    stages = {}
    for name, stage in params.stages.items():
        budget = next(iter(stage.mixture.sources.values()))
        sources = {learns[name]: budget} if name in learns else stage.mixture.sources
        stages[name] = stage.model_copy(update={"mixture": stage.mixture.model_copy(update={"sources": sources})})
    return params.model_copy(update={"curriculum": curriculum, "stages": stages})


def without(*names: str) -> dict:
    return {name: values for name, values in HOTA.items() if name not in names}


def test_forgetting_is_measured_from_the_best_stage_that_was_trained_on_the_source(params):
    # street: pretrained .9 was not trained by us; best of stages 1 and 2 before stage 3 is .8.
    # air: only stage 2 was trained on it before stage 3; stage 3 gained .05.
    assert forgetting(params, HOTA) == {"stage2": {"street": 0.2}, "stage3": {"street": 0.3, "air": -0.05}}


def test_forgetting_counts_evaluated_stages_only(params):
    # Stage 2 never trained on street itself, but started from stage 1, which did.
    assert forgetting(params, without("stage1")) == {"stage3": {"street": 0.1, "air": -0.05}}


def test_a_source_without_a_score_is_left_out(params):
    hota = {name: dict(values) for name, values in HOTA.items()}
    hota["stage1"]["street"] = None
    hota["stage3"]["air"] = None
    assert forgetting(params, hota) == {"stage3": {"street": 0.1}}
    assert backward_transfer(params, hota) == {}
    assert forward_transfer(params, hota) == {"stage2": {"air": 0.0}}


def test_backward_transfer_is_measured_from_the_stage_that_learned_the_source(params):
    # Stage 3 learns air itself: what it gains there is no transfer.
    assert backward_transfer(params, HOTA) == {"stage2": {"street": -0.2}, "stage3": {"street": -0.3}}
    assert backward_transfer(params, without("stage1")) == {}


def test_backward_transfer_starts_anew_where_a_source_is_learned_again(params):
    # Street in stages 1 and 2, air in stage 3: from stage 2's .6 to .5.
    again = changed(params, {}, {"stage2": "street"})
    assert backward_transfer(again, HOTA) == {"stage3": {"street": -0.1}}


def test_forward_transfer_is_what_the_stage_before_gives_to_a_source_unseen(params):
    hota = HOTA | {"stage1": {"street": 0.8, "air": 0.25}}
    assert forward_transfer(params, hota) == {"stage2": {"air": 0.15}}  # not stage 3: air is known by then
    assert forward_transfer(params, {k: v for k, v in hota.items() if k != "pretrained"}) == {"stage2": {"air": None}}
    assert forward_transfer(params, without("stage1")) == {}


def test_branches_do_not_meet(params):
    # Stages 2 and 3 both start from stage 1.
    branched = changed(params, {"stage3": "stage1"}, {})
    assert forgetting(branched, HOTA) == {"stage2": {"street": 0.2}, "stage3": {"street": 0.3}}
    assert backward_transfer(branched, HOTA) == {"stage2": {"street": -0.2}, "stage3": {"street": -0.3}}
    assert forward_transfer(branched, HOTA) == {"stage2": {"air": 0.0}, "stage3": {"air": 0.0}}
    apart = changed(params, {"stage2": "pretrained", "stage3": "pretrained"}, {})
    assert (forgetting(apart, HOTA), backward_transfer(apart, HOTA), forward_transfer(apart, HOTA)) == ({}, {}, {})


def test_means():
    cells = {"stage2": {"street": -0.2, "air": 0.1}, "stage3": {"street": None, "air": 0.3}, "stage4": {"air": None}}
    assert means(cells) == {"stage2": -0.05, "stage3": 0.3, "stage4": None}
