from __future__ import annotations

import random

import pytest

from stages.transport import ranges
from stages.transport.ranges import Ranges, plan


def test_against_a_set_of_bytes():
    chance = random.Random(1)
    held, bytes_held = Ranges(), set()
    for _ in range(2000):
        start = chance.randrange(200)
        end = start + chance.randrange(20)
        if chance.random() < 0.6:
            held.add(start, end)
            bytes_held |= set(range(start, end))
        else:
            held.discard(start, end)
            bytes_held -= set(range(start, end))
        assert held.total == len(bytes_held)
        assert {byte for a, b in held.spans for byte in range(a, b)} == bytes_held
        assert all(left[1] < right[0] for left, right in zip(held.spans, held.spans[1:], strict=False))
        start, end = sorted(chance.sample(range(220), 2))
        missing = {byte for a, b in held.missing(start, end) for byte in range(a, b)}
        assert missing == set(range(start, end)) - bytes_held


@pytest.mark.parametrize(
    ("missing", "done", "expected"),
    [
        ([(0, 100), (100, 200)], [], [(0, 200)]),
        ([(0, 1000), (1020, 2000)], [], [(0, 2000)]),  # 20 of 1980 bytes are wasted
        ([(0, 1000), (1100, 2000)], [], [(0, 1000), (1100, 2000)]),  # 100 would be too many
        ([(0, 1000), (1020, 2000)], [(1005, 1010)], [(0, 1000), (1020, 2000)]),  # nothing is fetched twice
        ([(0, 900), (910, 1800), (1875, 2700)], [], [(0, 1800), (1875, 2700)]),  # narrowest first: 10 + 75 > 3%
        ([(0, 10_000)], [], [(0, 3333), (3333, 6666), (6666, 10_000)]),
        ([], [], []),
    ],
)
def test_plan(monkeypatch: pytest.MonkeyPatch, missing: list, done: list, expected: list):
    monkeypatch.setattr(ranges, "PIECE", 4000)
    assert plan(Ranges(missing), Ranges(done)) == expected
    wanted = sum(end - start for start, end in missing)
    assert sum(end - start for start, end in expected) <= 1.03 * wanted


def test_wide_gap_is_not_fetched_however_much_is_needed():
    spans = [(0, 100 << 20), (101 << 20, 200 << 20)]
    assert Ranges(plan(Ranges(spans), Ranges())).spans == spans
