from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from stages.watching import Step, StepTable

STEP = Step(
    epoch=1,
    epochs=2,
    step=1,
    steps=8,
    losses={"loss_cls": 2.0, "loss_box": 1.0, "loss": 3.0},
    rates={"neck": 0.001, "backbone": 0.0001},
    images_per_second=61.234567,
    memory_mb=812.0,
    waited=0.02,
    seconds=4.5,
    seconds_left=9.0,
)
HEADER = "epoch,step,loss,loss_box,loss_cls,lr_neck,lr_backbone,images_per_second,memory_mb,waited,seconds"


def _run(scratch: Path, first: int, last: int, done: int = 0) -> StepTable:
    """A table that was told the steps from ``first`` to ``last``; not closed, as after a kill."""
    table = StepTable(scratch)
    table.begin("stage1", {}, done)
    for number in range(first, last + 1):
        table.step(replace(STEP, step=number, losses=STEP.losses | {"loss": 3.0 / number}))
    return table


def test_every_step_has_its_row(tmp_path: Path):
    table = _run(tmp_path / "scratch" / "steps.csv", 1, 2)
    rows = f"{HEADER}\n1,1,3,1,2,0.001,0.0001,61.2346,812,0.02,4.5\n1,2,1.5,1,2,0.001,0.0001,61.2346,812,0.02,4.5\n"
    assert (tmp_path / "scratch" / "steps.csv").read_text() == rows  # before anything is closed
    table.end(Path("models/stage1"), {})
    table.finish(tmp_path / "plots" / "stage1.csv")
    assert (tmp_path / "plots" / "stage1.csv").read_text() == rows
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["stage1.csv", "steps.csv"]


@pytest.mark.parametrize("tail", ["", "1,7,0.4", "1,7,0.428571,1,2,0.001,0.0001,61.2346,812,0.02,4."])
def test_a_resumed_run_goes_on_behind_the_saved_step(tmp_path: Path, tail: str):
    scratch = tmp_path / "steps.csv"
    _run(scratch, 1, 6)
    with scratch.open("a") as file:
        file.write(tail)  # a line that the kill cut off, also within its last number
    _run(scratch, 5, 8, done=4).finish(tmp_path / "resumed.csv")
    _run(tmp_path / "whole-scratch.csv", 1, 8).finish(tmp_path / "whole.csv")
    assert (tmp_path / "resumed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_fresh_run_drops_what_an_earlier_one_left(tmp_path: Path):
    _run(tmp_path / "steps.csv", 1, 6)
    _run(tmp_path / "steps.csv", 1, 2).finish(tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_a_resumed_run_whose_table_is_gone_begins_one(tmp_path: Path):
    _run(tmp_path / "steps.csv", 5, 6, done=4).finish(tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [row["step"] for row in rows] == ["5", "6"]


def test_a_part_that_thaws_gets_its_column(tmp_path: Path):
    table = _run(tmp_path / "steps.csv", 1, 2)
    thawed = replace(STEP, step=3, losses=STEP.losses | {"loss_aux": 0.5}, rates=STEP.rates | {"head": 0.01})
    table.step(thawed)
    table.step(replace(STEP, step=4))
    table.finish(tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == (
        "epoch,step,loss,loss_aux,loss_box,loss_cls,lr_neck,lr_backbone,lr_head,images_per_second,memory_mb,waited,seconds"
    )
    assert [row["lr_head"] for row in rows] == ["", "", "0.01", ""]
    assert [row["loss_aux"] for row in rows] == ["", "", "0.5", ""]
    assert [row["loss_cls"] for row in rows] == ["2"] * 4


def test_a_table_without_steps_is_its_header(tmp_path: Path):
    table = StepTable(tmp_path / "steps.csv")
    table.begin("stage1", {})
    table.finish(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "epoch,step,loss,images_per_second,memory_mb,waited,seconds\n"
