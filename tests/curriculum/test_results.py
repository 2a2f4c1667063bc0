"""stages/curriculum/results.py and summary.py: what scoring wrote, gathered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawing_project import HOTA, lay_out

from stages.curriculum.results import matrix_of, own_sources, read_results, trained_on
from stages.curriculum.summary import MATRIX_COLUMNS, matrix_table, summarise
from stages.errors import InputError
from stages.params import Params


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return lay_out()


def test_summary(params):
    summary = summarise(params, read_results(params))
    moved = ["forgetting", "backward_transfer", "forward_transfer"]
    assert list(summary) == ["pretrained", "stage1", "stage2", "stage3", *moved]
    assert summary["stage1"]["street"] == {"HOTA": 0.8, "MOTA": 0.7, "IDF1": 0.9, "mAP": 0.6001}
    assert summary["stage2"]["air"]["HOTA"] == HOTA["stage2"]["air"]
    assert summary["backward_transfer"] == {"stage2": -0.2, "stage3": -0.3}
    assert summary["forward_transfer"] == {"stage2": 0.0}


def test_summary_is_one_screen(params):
    """Two checkpoints on two sources: 16 scores and 3 more lines of `dvc metrics diff`."""
    two = params.evaluation.model_copy(update={"checkpoints": ("stage1", "stage2")})
    fewer = params.model_copy(update={"evaluation": two})
    summary = summarise(fewer, [r for r in read_results(params) if r.checkpoint in two.checkpoints])
    assert summary["forward_transfer"] == {"stage2": None}  # `pretrained` is not evaluated
    leaves = [line for line in json.dumps(summary, indent=1).splitlines() if not line.rstrip(",").endswith(("{", "}"))]
    assert len(leaves) == 19


def test_lineage(params):
    assert trained_on(params, "pretrained") == set()
    assert trained_on(params, "stage3") == {"street", "air"}
    assert own_sources(params, "stage2") == {"air"}


def test_matrix_is_of_the_first_tracker(params):
    assert matrix_of(params, read_results(params), "HOTA") == HOTA


def test_matrix_table(params):
    rows = matrix_table(params, read_results(params))
    assert len(rows) == 4 * 4 * 2
    assert [row["metric"] for row in rows[::8]] == ["HOTA", "MOTA", "IDF1", "mAP"]
    assert {tuple(sorted(row)) for row in rows} == {tuple(sorted(MATRIX_COLUMNS))}
    keys = ("trained", "value", "forgetting", "backward_transfer", "forward_transfer")
    found = {(row["checkpoint"], row["source"]): tuple(row[key] for key in keys) for row in rows[:8]}
    assert found["pretrained", "street"] == ("", 0.9, None, None, None)
    assert found["stage1", "street"] == ("here", 0.8, None, None, None)
    assert found["stage2", "street"] == ("before", 0.6, 0.2, -0.2, None)
    assert found["stage2", "air"] == ("here", 0.7, None, None, 0.0)
    assert found["stage3", "air"] == ("here", 0.75, -0.05, None, None)


@pytest.mark.parametrize("content,what", [(None, "no such scores"), ("{", "not JSON")])
def test_bad_scores(params, content, what):
    path = next(Path("metrics").rglob("stage2/ocsort.json"))
    path.write_text(content) if content else path.unlink()
    with pytest.raises(InputError, match=f"ocsort.json: {what}"):
        read_results(params)


def test_post_processed_tracks_stand_beside_the_raw_ones(params):
    path = Path("metrics/scores/stage1/bytetrack.json")
    scores = json.loads(path.read_text())
    scores["air"]["post"] = {"pooled": {"HOTA": 0.33}}
    path.write_text(json.dumps(scores))
    results = read_results(params)
    (post,) = [result for result in results if result.tracker == "bytetrack.post"]
    assert (post.checkpoint, post.source) == ("stage1", "air")
    assert post.scores == {"HOTA": 0.33, "MOTA": None, "IDF1": None, "mAP": 0.60012}
    assert matrix_of(params, results, "HOTA") == HOTA


def test_scores_may_lack_a_source(params):
    for path in Path("metrics/scores").rglob("*.json"):
        path.write_text(json.dumps({"street": json.loads(path.read_text())["street"]}))
    assert summarise(params, read_results(params))["stage1"].keys() == {"street"}
