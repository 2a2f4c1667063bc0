"""The worst moments: where mistakes concentrate, weighed alike at every frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from stages.scoring.moments import Counts, worst_moments


def counts(length: int, fps: float = 10.0, misses=(), false_alarms=(), switches=()) -> Counts:
    """One mistake for each frame (from 1) that a kind names."""
    each = (np.bincount(np.array(frames, int) - 1, minlength=length) for frames in (misses, false_alarms, switches))
    return Counts(fps, *(np.asarray(column) for column in each))


def found(sequences: dict, most: int = 10) -> list[tuple]:
    moments = worst_moments({("town", name): each for name, each in sequences.items()}, most)
    return [(each.sequence, each.first, each.last, each.worst) for each in moments]


def test_a_window_holds_what_lies_close():
    one = counts(100, misses=[30, 31, 31, 45, 90])
    assert found({"a": one}, 1) == [("a", 26, 45, 31)]
    (moment,) = worst_moments({("town", "a"): one}, 1)
    assert (moment.misses, moment.false_alarms, moment.switches, moment.weight) == (4, 0, 0, pytest.approx(0.4))
    assert (moment.source, moment.fps) == ("town", 10.0)


def test_windows_share_no_frame_and_end_where_nothing_is_left():
    one = counts(100, misses=[30, 31, 31, 45, 90])
    assert found({"a": one}) == [("a", 26, 45, 31), ("a", 71, 90, 90)]
    everywhere = counts(50, false_alarms=range(1, 51))
    assert found({"a": everywhere}) == [("a", 1, 20, 1), ("a", 21, 40, 21)]


def test_a_switch_weighs_as_a_second_of_missing():
    assert found({"a": counts(20, misses=range(1, 10)), "b": counts(20, switches=[7])}) == [
        ("b", 1, 20, 7),
        ("a", 1, 20, 1),
    ]
    assert found({"a": counts(20, misses=range(1, 12)), "b": counts(20, switches=[7])})[0][0] == "a"


def test_a_second_weighs_the_same_at_any_rate():
    slow, fast = counts(20, 5.0, misses=[3, 4, 5]), counts(200, 50.0, misses=range(50, 79))
    assert [each[0] for each in found({"fast": fast, "slow": slow})] == ["slow", "fast"]  # 0.6 and 0.58 s


@pytest.mark.parametrize(("length", "fps", "last"), [(1, 10.0, 1), (7, 10.0, 7), (40, 0.1, 1), (40, 30.0, 40)])
def test_short_sequences_and_low_rates(length, fps, last):
    assert found({"a": counts(length, fps, misses=[1])}) == [("a", 1, last, 1)]


def test_none():
    assert found({}) == found({"a": counts(30)}) == found({"a": counts(30, misses=[3])}, 0) == []


def test_of_equals_the_first():
    same = counts(60, misses=[25])
    assert found({"b": same, "a": same}, 2) == [("b", 6, 25, 25), ("a", 6, 25, 25)]
