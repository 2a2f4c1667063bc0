"""HOTA of a sequence cut after any frame: what scoring the cut gives, tie for tie; and the ways to match, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scoring_cases import LENGTH, as_tracks, make
from test_hota import CASES
from tracking_results import CLASSES, walks

from stages.scoring import contests as con
from stages.scoring import running as run
from stages.scoring.adapter import class_data, frames_of
from stages.scoring.hota import QuickHOTA
from stages.scoring.metrics import pooled, score_frames
from stages.scoring.running import RunningHOTA


def assert_equals_the_scorer(frames) -> None:
    running = RunningHOTA([class_data(frames, number) for number in range(len(CLASSES))])
    for cut in [*range(1, len(frames) + 1), len(frames) // 2]:  # back again too
        result = pooled(score_frames(frames[:cut], CLASSES))
        value = running.after(cut)
        if not result["Count"]["GT_Dets"]:
            assert value is None
        else:
            assert value == pytest.approx(result["HOTA"]["HOTA"].mean(), abs=1e-9)


@pytest.mark.parametrize("number", range(8))
def test_equals_scoring_every_cut(number):
    gt, tracks, length = walks(number, noise=5)
    annotated = gt[:, 0] > 2  # none at first
    gt = gt[annotated]
    assert_equals_the_scorer(frames_of(gt, gt[:, 7].astype(np.int64) - 1, tracks, length, "gt"))


@pytest.fixture(scope="module")
def crowd() -> list:
    """All boxes overlap, some pairs coincide."""
    case = make(np.random.default_rng(3), [1, 2], [], {1: 1, 2: 2})
    return frames_of(case.gt, case.gt[:, 7].astype(np.int64) - 1, as_tracks(case.tracks, {1: 0, 2: 1}), LENGTH, "gt")


@pytest.mark.parametrize("most", [10, 4, 0])
def test_equals_in_a_crowd(crowd, most, monkeypatch):
    """Also where more is left to the solver, or all of it."""
    monkeypatch.setattr(con, "_MOST", most)
    assert_equals_the_scorer(crowd)


@pytest.mark.parametrize("case", CASES)
def test_equals_hota_of_one_class(case):
    """Similarities of two digits: ways that weigh the same."""
    data = CASES[case]
    value = RunningHOTA([data]).after(data["num_timesteps"])
    if not data["num_gt_dets"]:
        assert value is None
    else:
        assert value == pytest.approx(QuickHOTA().eval_sequence(data)["HOTA"].mean(), abs=1e-9)


def test_ways_that_weigh_the_same_are_left_to_the_solver(monkeypatch):
    """Two objects that always coincide, and one track."""
    solved = []
    solver = run.linear_sum_assignment
    monkeypatch.setattr(run, "linear_sum_assignment", lambda *a, **k: solved.append(1) or solver(*a, **k))
    gt = np.array([[frame, who, 10, 10, 20, 20, 1, 1, 1] for frame in range(1, 4) for who in (1, 2)], float)
    tracks = as_tracks(np.array([[frame, 9, 10, 10, 20, 20, 1, 1, 1] for frame in range(1, 4)], float), {1: 0})
    assert_equals_the_scorer(frames_of(gt, np.zeros(6, np.int64), tracks, 3, "gt"))
    assert solved


def test_ways():
    assert con.ways(((0, 1),)) == ((0,),)
    assert con.ways(((0, 1), (0, 2))) == ((0,), (1,))
    path = ((0, 5), (1, 5), (1, 6), (2, 6))
    assert sorted(con.ways(path)) == [(0, 2), (0, 3), (1, 3)]
    square = ((0, 5), (0, 6), (1, 5), (1, 6))
    assert sorted(con.ways(square)) == [(0, 3), (1, 2)]


def test_contests_are_groups_that_share_no_box(monkeypatch):
    rows, columns = np.array([0, 1, 1, 3, 2]), np.array([0, 1, 2, 3, 2])
    assert sorted(map(sorted, con.contests(rows, columns))) == [[(0,)], [(1, 4), (2,)], [(3,)]]
    assert con.contests(np.zeros(0, int), np.zeros(0, int)) == []
    monkeypatch.setattr(con, "_MOST", 2)
    assert con.contests(rows, columns) is None
