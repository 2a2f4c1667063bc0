"""stages/drawing/results.py: the summary and the forgetting, against hand-made numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawing_project import HOTA, lay_out

from stages.drawing.results import forgetting, hota_matrix, own_sources, read_results, summarise, trained_on
from stages.errors import InputError
from stages.params import Params


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return lay_out()


def test_summary(params):
    summary = summarise(params, read_results(params))
    assert list(summary) == ["pretrained", "stage1", "stage2", "stage3", "forgetting"]
    assert summary["stage1"]["street"] == {"HOTA": 0.8, "MOTA": 0.7, "IDF1": 0.9, "mAP": 0.6001}
    assert summary["stage2"]["air"]["HOTA"] == HOTA["stage2"]["air"]


def test_forgetting_is_measured_from_the_best_stage_that_was_trained_on_the_source(params):
    # street: pretrained .9 was not trained by us; best of stages 1 and 2 before stage 3 is .8.
    # air: only stage 2 was trained on it before stage 3; stage 3 gained .05.
    assert forgetting(params, HOTA) == {"stage2": {"street": 0.2}, "stage3": {"street": 0.3, "air": -0.05}}


def test_forgetting_counts_evaluated_stages_only(params):
    without = {name: values for name, values in HOTA.items() if name != "stage1"}
    checkpoints = tuple(without)
    fewer = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"checkpoints": checkpoints})})
    # Stage 2 never trained on street itself, but started from stage 1, which did.
    assert forgetting(fewer, without) == {"stage3": {"street": 0.1, "air": -0.05}}


def test_a_source_without_a_score_is_left_out(params):
    hota = {name: dict(values) for name, values in HOTA.items()}
    hota["stage1"]["street"] = None
    hota["stage3"]["air"] = None
    assert forgetting(params, hota) == {"stage3": {"street": 0.1}}


def test_lineage(params):
    assert trained_on(params, "pretrained") == set()
    assert trained_on(params, "stage3") == {"street", "air"}
    assert own_sources(params, "stage2") == {"air"}


def test_matrix_is_of_the_first_tracker(params):
    assert hota_matrix(params, read_results(params)) == HOTA


@pytest.mark.parametrize("content,what", [(None, "no such scores"), ("{", "not JSON")])
def test_bad_scores(params, content, what):
    path = next(Path("metrics").rglob("stage2/ocsort.json"))
    path.write_text(content) if content else path.unlink()
    with pytest.raises(InputError, match=f"ocsort.json: {what}"):
        read_results(params)


def test_scores_may_lack_a_source(params):
    for path in Path("metrics").rglob("*.json"):
        path.write_text(json.dumps({"street": json.loads(path.read_text())["street"]}))
    assert summarise(params, read_results(params))["stage1"].keys() == {"street"}
