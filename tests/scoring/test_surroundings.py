"""Overlaps through a whole sequence at once against the frame by frame ones."""

from __future__ import annotations

import numpy as np
import pytest

from stages.scoring import surroundings
from stages.scoring.matching import NONE
from stages.scoring.overlap import iou, share_inside
from stages.scoring.surroundings import crowding, iou_with, nearest, overlaps


@pytest.mark.parametrize("together", [3, 4000])
def test_equals_frame_by_frame(monkeypatch, together):
    monkeypatch.setattr(surroundings, "_EVENTS", together)
    rng = np.random.default_rng(0)
    others = np.concatenate([rng.uniform(0, 60, (40, 2)), rng.uniform(5, 30, (40, 2))], axis=1)
    boxes = np.concatenate([rng.uniform(0, 60, (25, 2)), rng.uniform(5, 30, (25, 2))], axis=1)
    frames = np.split(rng.permutation(40), [10, 10, 24])  # the second has none
    times = np.sort(rng.integers(0, 4, 25))
    pairs = overlaps(boxes, times, others, frames)
    near = nearest(pairs, 25)
    values, crowds = iou_with(pairs, near), crowding(pairs, near)
    for event, (box, time) in enumerate(zip(boxes, times, strict=True)):
        rows = frames[time]
        found = iou(box[None], others[rows])[0]
        assert values[event] == pytest.approx(found.max(initial=0), abs=1e-12)
        assert near[event] == (rows[np.argmax(found)] if found.max(initial=0) > 0 else NONE)
        rest = others[rows[rows != near[event]]]
        assert crowds[event] == pytest.approx(share_inside(box[None], rest)[0], abs=1e-12)
    assert (near[times == 1] == NONE).all()
    assert len(set(times.tolist())) == 4


def test_nothing_meets_nothing():
    none, no_time = np.zeros((0, 4)), np.zeros(0, np.int64)
    pairs = overlaps(none, no_time, none, [])
    assert [len(each) for each in (pairs.events, nearest(pairs, 0), crowding(pairs, no_time))] == [0, 0, 0]
    lonely = overlaps(np.array([[0, 0, 9, 9.0]]), np.array([0]), np.array([[9, 0, 9, 9.0]]), [np.array([0])])
    assert nearest(lonely, 1).tolist() == [NONE]  # they touch


def test_the_first_of_equals_is_nearest():
    same = np.array([[0, 0, 9, 9.0]] * 3)
    pairs = overlaps(same[:1], np.array([0]), same, [np.array([2, 0, 1])])
    assert nearest(pairs, 1).tolist() == [2]
    assert crowding(pairs, np.array([2])).tolist() == [1]
