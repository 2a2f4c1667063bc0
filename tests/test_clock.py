"""What stages took is put on record where DVC runs them, and only when they ended well."""

from __future__ import annotations

import json

import pytest

from stages.clock import TIMES, read_times, timed


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "detect@stage1")


def test_a_stage_that_ended_well_is_on_record(tmp_path):
    with timed():
        pass
    [(name, record)] = read_times(tmp_path).items()
    assert name == "detect@stage1"
    assert 0 <= record["seconds"] < 5 and record["peak_memory_mb"] > 10
    assert record["ended"].endswith("+00:00")


def test_one_that_failed_is_not_and_neither_is_one_that_dvc_did_not_start(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="lost"), timed():
        raise ValueError("lost")
    monkeypatch.delenv("DVC_STAGE")
    with timed():
        pass
    assert read_times(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"seconds": 1, "peak_memory_mb": 2}',
        '{"seconds": "x", "peak_memory_mb": 2, "ended": "2026-01-01"}',
        '{"seconds": 1, "peak_memory_mb": 2, "ended": "yesterday"}',
    ],
)
def test_a_record_that_cannot_be_read_is_none(tmp_path, content):
    TIMES.mkdir(parents=True)
    (TIMES / "plot.json").write_text(content)
    assert read_times(tmp_path) == {}


def test_they_come_by_their_ends(tmp_path):
    TIMES.mkdir(parents=True)
    for name, hour in (("b", 3), ("a", 2), ("c", 1)):
        record = {"seconds": 1.0, "peak_memory_mb": 2, "ended": f"2026-01-01T0{hour}:00:00+00:00"}
        (TIMES / f"{name}.json").write_text(json.dumps(record))
    assert list(read_times(tmp_path)) == ["c", "a", "b"]
