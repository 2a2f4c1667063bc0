"""stages/tracking/choosing.py: a tracker by its name in params.yaml, or by its type."""

from __future__ import annotations

import pytest

from stages.errors import InputError
from stages.params.trackers import BotSort, ByteTrack, OcSort
from stages.tracking.choosing import choose_tracker, tracker_types

MINE = {"mine": OcSort(type="ocsort", min_hits=1), "bytetrack": ByteTrack(type="bytetrack", max_gap=3.0)}


def test_names_come_before_types():
    assert choose_tracker("mine", MINE) is MINE["mine"]
    assert choose_tracker("bytetrack", MINE).max_gap == 3.0
    assert choose_tracker("botsort", MINE) == BotSort(type="botsort")


def test_every_type_but_the_one_that_needs_a_model_stands_alone():
    alone = [name for name in tracker_types() if name != "strongsort"]
    assert len(alone) == 8
    assert [choose_tracker(name, {}).type for name in alone] == alone


@pytest.mark.parametrize("name,what", [("mien", "did you mean `mine`"), ("xyz", "there are boosttrack, .* mine, ")])
def test_no_such_tracker(name, what):
    with pytest.raises(InputError, match=f"--tracker {name}: no such tracker: {what}"):
        choose_tracker(name, MINE)
