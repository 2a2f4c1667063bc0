"""The order of a run's clips; how processes share it is in test_processes.py."""

from __future__ import annotations

import pytest

from stages.training.order import RunOrder


def _order(**changes: object) -> RunOrder:
    settings = {"clips": 10, "clips_per_batch": 3, "accumulate": 1, "epochs": 3, "seed": 5, "sides": (64,)}
    return RunOrder(**settings | changes)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("start", range(7))
def test_a_start_gives_exactly_the_tail(start: int, accumulate: int):
    order = _order(accumulate=accumulate)
    whole, done = list(order), sum(len(order.window(step).batches) for step in range(start))
    order.start = start
    assert list(order) == whole[done:] and len(order) == 12 - done


def test_each_clip_comes_once_an_epoch_in_an_order_of_its_own():
    order = list(_order())
    assert [len(batch) for batch in order] == [3, 3, 3, 1] * 3
    epochs = [[clip for batch in order for epoch, clip, _ in batch if epoch == number] for number in (1, 2, 3)]
    assert all(sorted(clips) == list(range(10)) for clips in epochs)
    assert len({tuple(clips) for clips in epochs}) == 3
    assert list(_order()) == order != list(_order(seed=6))


def test_windows_by_hand():
    order = _order(accumulate=2)
    assert (order.steps_per_epoch, order.steps) == (2, 6)
    batches = list(order)
    first, second, third = (order.window(step) for step in range(3))
    assert (first.epoch, first.clips) == (1, 6) and (second.epoch, second.clips) == (1, 4)  # 6 of 10 clips, and 4
    assert [place for place, _ in first.batches] == [0, 3] and [place for place, _ in second.batches] == [6, 9]
    assert [list(places) for _, places in (*first.batches, *second.batches)] == batches[:4]
    assert third.epoch == 2 and third.batches[0][1] == tuple(batches[4])


def test_the_order_of_samples_is_the_same_however_memory_holds_them():
    def clips(**changes: object) -> list[tuple]:
        return [(epoch, clip) for batch in _order(**changes) for epoch, clip, _ in batch]

    assert clips() == clips(clips_per_batch=1, accumulate=3) == clips(clips_per_batch=5) == clips(sides=(32, 64))


def test_a_step_draws_one_side_for_all_its_micro_batches():
    order = _order(clips_per_batch=1, accumulate=2, epochs=40, sides=(32, 64, 96))
    windows = [order.window(step) for step in range(order.steps)]
    sides = [{side for _, places in window.batches for _, _, side in places} for window in windows]
    assert all(len(drawn) == 1 for drawn in sides)
    counts = [sides.count({side}) for side in (32, 64, 96)]
    assert sum(counts) == 200 and min(counts) > 50
    other = _order(clips_per_batch=2, epochs=40, sides=(32, 64, 96))  # the same steps, held otherwise
    assert [other.window(step).batches[0][1][0][2] for step in range(200)] == [drawn.pop() for drawn in sides]
