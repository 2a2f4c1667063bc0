"""stages/reporting/timeline.py: stages one after another on one axis, thinned, with what interrupted them."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawing_project import lay_out

from stages.params import Params
from stages.reporting.timeline import COLUMNS, columns_of, panels, starts, thinned, timeline


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return lay_out()


def test_stages_follow_one_another(params):
    rows, events = timeline(params)
    assert [(row["stage"], row["step"]) for row in rows[19:21]] == [("stage1", 20), ("stage2", 1)]
    assert [row["minutes"] for row in rows[18:22]] == pytest.approx([1.9, 2.0, 2.1, 2.2])
    assert [(e["stage"], e["kind"], e["minutes"]) for e in events] == [
        ("stage2", "resume", 2.5),
        ("stage2", "memory", 3.0),
    ]
    assert events[1]["said"] == "out of memory at step 10: went on with batch 4"
    assert columns_of(rows) == [*COLUMNS, "lr_head"]


def test_every_part_and_every_rate_has_a_line_and_every_stage_its_beginning(params):
    rows, _ = timeline(params)
    rows[0] |= {"loss_box": 1.0, "lr_backbone": 1e-4}
    drawn = {label: names for _, label, names in panels(rows)}
    assert drawn["loss"] == ["loss", "loss_box"]
    assert drawn["learning rate"] == ["lr_backbone", "lr_head"]
    assert starts(rows) == [
        {"stage": "stage1", "minutes": 0.0},
        {"stage": "stage2", "minutes": 2.0},
        {"stage": "stage3", "minutes": 4.0},
    ]


def test_map_stands_at_the_end_of_its_epoch(params):
    rows, _ = timeline(params)
    known = [(row["epoch"], row["step"], row["mAP"]) for row in rows[:20] if row["mAP"] is not None]
    assert known == [(2, 9, 0.2), (4, 19, 0.4)]


def test_a_stage_without_a_record_is_left_out(params):
    Path("metrics/runs/stage1.csv").unlink()
    Path("metrics/runs/stage2.csv").write_text("epoch,step,loss\n1,1,2.0\n")  # of a version that kept no time
    rows, _ = timeline(params)
    assert {row["stage"] for row in rows} == {"stage3"}
    assert rows[0]["minutes"] == pytest.approx(0.1)


def test_long_runs_are_thinned_to_means():
    rows = [
        {"epoch": 1.0, "step": float(n), "minutes": n / 10, "loss": float(n), "lr_new": None} for n in range(1, 1001)
    ]
    few = thinned(rows, 300)
    assert len(few) == 250
    assert few[0] == {"epoch": 1.0, "step": 4.0, "minutes": 0.4, "loss": 2.5, "lr_new": None}
    assert thinned([]) == []
