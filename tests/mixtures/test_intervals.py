from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.mixtures.intervals import Footage, check_intervals, steps_of
from tests.rectangles import write_params

FOOTAGE = Footage(("fast", "slow"), np.array([90, 60]), np.array([30.0, 5.0]))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def _check(intervals: list[float], size: int = 4) -> None:
    params = write_params(Path(), {"stage1.mixture.intervals": intervals, "stage1.mixture.clip_length": 2})
    check_intervals(params, "stage1", "street", FOOTAGE, size)


@pytest.mark.parametrize(
    ("interval", "fps", "steps"),
    [(0.5, [5, 10, 30], [2, 5, 15]), (0.1, [5, 12.5, 29.97], [1, 1, 3]), (1e-9, [30], [1]), (2, [29.97], [60])],
)
def test_an_interval_is_whole_frames_of_each_clock_and_at_least_one(interval: float, fps: list, steps: list):
    assert steps_of(interval, np.array(fps, float)).tolist() == steps


@pytest.mark.parametrize(("interval", "size"), [(3.8, 4), (1.0, 12), (99.0, 1)])
def test_what_one_sequence_holds_is_fine(interval: float, size: int, capsys: pytest.CaptureFixture[str]):
    _check([interval], size)  # `slow`: 3.8 s are 19 frames, and 1 + 3 * 19 = 58; 12 frames 5 apart span 56
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("interval", "size"), [(4.0, 4), (1.0, 13)])
def test_what_no_sequence_holds_is_one_line(interval: float, size: int):
    with pytest.raises(InputError) as caught:
        _check([0.2, interval], size)
    place, message = str(caught.value).split(": no ")
    assert place.startswith("params.yaml:") and place.endswith(" stage1.mixture.intervals.1")
    what = f"training sequence of `street` holds {size} frames {interval:g} s apart; the longest lasts 12 s"
    more = "give sources.street a larger training split (all of it is taken)"
    assert message == f"{what}: shorten it or clip_length, or {more}"


@pytest.mark.parametrize(
    ("intervals", "sequences"),
    [([0.1, 0.2], 1), ([0.5, 0.51], 1), ([0.6, 0.61], 2), ([0.5, 1.0], 0), ([0.4, 1.0, 0.04], 0)],
)
def test_intervals_that_are_the_same_frames_are_said(
    intervals: list[float], sequences: int, capsys: pytest.CaptureFixture[str]
):
    _check(intervals)
    said = capsys.readouterr().err
    what = f"two of them are the same number of frames in {sequences} of 2 training sequences of `street`\n"
    assert said.endswith(what) and said.count("\n") == 1 if sequences else said == ""
