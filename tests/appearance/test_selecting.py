"""Which boxes become crops, and which crops are queries."""

from __future__ import annotations

import numpy as np
import pytest

from stages.appearance import selecting
from stages.appearance.selecting import Crop, choose, give_cameras, repeated, split_queries, thin
from stages.appearance.views import View
from stages.params.reid import Reid
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from stages.sequences.archive import SequenceInfo

VIEW = View("street", "a", "test", "street a", "street a")
INFO = SequenceInfo("a", 10.0, 100, 80, 50)
REID = Reid(sources=("street",), min_size=10, min_visibility=0.5, per_view=4)
BOX = (20, 20, 12, 30)


def row(frame: int = 1, number: int = 1, box: tuple = BOX, visibility: float = 1) -> list[float]:
    return [frame, number, *box, 1, 1, visibility]


def chosen(rows: list, use: list[int] | None = None, classes: set[int] | None = None) -> list[tuple[int, tuple]]:
    gt = np.array(rows, float).reshape(-1, 9)
    crops = choose(VIEW, INFO, gt, np.array(use or [0] * len(gt), int), REID, classes or {0})
    return [(crop.frame, crop.identity[1:]) for crop in crops]


@pytest.mark.parametrize(
    ("box", "visibility", "taken"),
    [
        (BOX, 1, True),
        (BOX, 0.5, True),
        (BOX, 0.49, False),
        (BOX, -1, True),  # unknown
        ((20, 20, 9, 30), 1, False),  # thin
        ((20, 20, 30, 9), 1, False),  # flat
        ((0, 20, 12, 30), 1, False),  # at each border
        ((20, 0.5, 12, 30), 1, False),
        ((88, 20, 12, 30), 1, False),
        ((20, 50, 12, 30), 1, False),
        ((1, 1, 98, 78), 1, True),
    ],
)
def test_small_hidden_and_cut_off_boxes_are_left_out(box: tuple, visibility: float, taken: bool):
    assert bool(chosen([row(box=box, visibility=visibility)])) is taken


def test_only_targets_of_the_wanted_classes_are_taken():
    rows = [row(number=number) for number in range(1, 6)]
    assert chosen(rows, [0, 1, DISTRACTOR, REGION, DROP]) == [(1, (0, 1))]
    assert chosen(rows, [0, 1, DISTRACTOR, REGION, DROP], {0, 1}) == [(1, (0, 1)), (1, (1, 2))]


def test_an_identity_is_a_number_in_a_class():
    assert chosen([row(1, 7), row(1, 7, (50, 20, 12, 30))], [0, 1], {0, 1}) == [(1, (0, 7)), (1, (1, 7))]


def test_neighbouring_identities_of_two_classes_are_thinned_apart():
    # In order of class and number, the number falls by one where the class rises by one.
    rows = [row(frame, number) for number in (5, 4) for frame in range(1, 5)]
    assert chosen(rows, [0] * 4 + [1] * 4, {0, 1}) == [(f, who) for who in ((0, 5), (1, 4)) for f in range(1, 5)]


def test_at_most_so_many_are_taken_of_each_evenly_over_its_time():
    rows = [row(frame, number) for frame in range(1, 11) for number in (1, 2)]
    assert chosen(rows) == [(frame, (0, number)) for number in (1, 2) for frame in (1, 4, 7, 10)]


def test_nothing_is_chosen_of_nothing():
    assert chosen([]) == []


def test_crops_have_whole_pixels():
    [crop] = choose(VIEW, INFO, np.array([row(box=(20.4, 20.6, 12.3, 30.2))]), np.zeros(1, int), REID, {0})
    assert crop.box == (20, 21, 33, 51)


def test_thin_keeps_first_and_last():
    assert thin(np.arange(3), 4).tolist() == [0, 1, 2]
    assert thin(np.arange(9), 3).tolist() == [0, 4, 8]


def crops(identity: int, camera: str, frames: range) -> list[Crop]:
    return [Crop(VIEW, frame, ("g", 0, identity), camera, (0, 0, 1, 1)) for frame in frames]


def test_who_is_seen_once_is_nothing_to_learn_from():
    assert repeated([*crops(1, "x", range(1)), *crops(2, "x", range(2))]) == crops(2, "x", range(2))


def test_for_those_of_one_camera_a_camera_is_a_half_of_their_time():
    both = [*crops(1, "x", range(2)), *crops(1, "y", range(2, 3))]
    found = give_cameras([*both, *crops(2, "x", range(5))])
    assert found[:3] == both
    halves = [crop.camera.removeprefix("street ") for crop in found[3:]]
    assert halves == [selecting.FIRST_HALF] * 3 + [selecting.SECOND_HALF] * 2


def test_each_camera_asks_with_the_middle_one_where_another_can_answer():
    seen = [*crops(1, "x", range(5)), *crops(1, "y", range(5, 8)), *crops(1, "z", range(8, 9))]
    lonely = crops(2, "x", range(3))
    queries, gallery = split_queries([*seen, *lonely])
    assert [(crop.camera, crop.frame) for crop in queries] == [("x", 2), ("y", 6)]  # z's only one answers
    assert len(gallery) == len(seen) + len(lonely) - 2
