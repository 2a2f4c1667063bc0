"""Hand-made frames: which tracks are scored, for which class."""

from __future__ import annotations

import numpy as np
import pytest

from stages.errors import InputError
from stages.scoring.adapter import class_data, frames_of
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from stages.sequences.tracks import Tracks

PERSON, CAR = 0, 1


def gt_of(*boxes, frames=None, ids=None):
    frames = frames or [1] * len(boxes)
    ids = ids or range(1, len(boxes) + 1)
    return np.array([[f, i, *b, 1, 1, 1] for f, i, b in zip(frames, ids, boxes, strict=True)], float).reshape(-1, 9)


def tracks_of(*boxes, classes=None, ids=None, frames=None):
    count = len(boxes)
    return Tracks(
        frames=np.array(frames or [1] * count, np.int64),
        ids=np.array(ids or range(11, 11 + count), np.int64),
        boxes=np.array(boxes, float).reshape(-1, 4),
        classes=np.array(classes or [PERSON] * count, np.int64),
    )


def kept(gt, purposes, tracks, number=PERSON):
    """How many track boxes of a class in frame 1 are scored."""
    return class_data(frames_of(gt, np.array(purposes, np.int64), tracks, 1, "gt.txt"), number)["num_tracker_dets"]


A, HALF_A, NEAR_A = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 9]
FAR = [100, 100, 10, 10]


@pytest.mark.parametrize(
    ("purposes", "boxes", "tracks", "expected"),
    [
        ([DISTRACTOR], [A], [A], 0),  # found, and no mistake
        ([DISTRACTOR], [A], [HALF_A], 0),  # IoU exactly 0.5 matches
        ([DISTRACTOR], [A], [[0, 0, 10, 4.9]], 1),  # IoU 0.49 does not
        ([DISTRACTOR], [A], [A, NEAR_A], 1),  # one to one: the second is a false alarm
        ([PERSON, DISTRACTOR], [A, NEAR_A], [A], 1),  # the target has the better overlap
        ([PERSON, DISTRACTOR], [NEAR_A, A], [A], 0),  # the distractor has it
        ([PERSON, DISTRACTOR], [A, A], [A], 1),  # they coincide: the target's
        ([DISTRACTOR, PERSON], [A, A], [A], 1),
        ([DISTRACTOR, PERSON], [A, A], [A, A], 1),  # one each
        ([DROP, DISTRACTOR], [A, NEAR_A], [A], 1),  # a track on a dropped box does not fall to the distractor
        ([CAR, DISTRACTOR], [A, NEAR_A], [A], 1),  # nor does one on another class
        ([DROP], [A], [A], 1),  # as if not annotated
        ([REGION], [[0, 0, 100, 100]], [A, A, FAR], 1),  # any number inside; FAR only touches
        ([REGION], [[0, 0, 5, 10]], [A], 1),  # half is not more than half
        ([REGION], [[0, 0, 5.1, 10]], [A], 0),
        ([REGION, REGION], [[0, 0, 4, 10], [6, 0, 4, 10]], [A], 1),  # each holds 0.4: inside neither
        ([PERSON, REGION], [A, [0, 0, 100, 100]], [A, [50, 50, 10, 10]], 1),  # a match inside a region stays
        ([PERSON, REGION], [A, [0, 0, 100, 100]], [[0, 0, 10, 4.9]], 0),  # IoU 0.49 is no match
        ([PERSON, DROP, REGION], [NEAR_A, A, [0, 0, 100, 100]], [A], 1),  # a dropped box takes no match away
        ([CAR, REGION], [A, [0, 0, 100, 100]], [A], 0),  # a car is no match for a person's track
    ],
)
def test_which_tracks_are_scored(purposes, boxes, tracks, expected):
    assert kept(gt_of(*boxes), purposes, tracks_of(*tracks)) == expected


@pytest.mark.parametrize("number", [PERSON, CAR])
def test_distractors_and_regions_count_for_every_class(number):
    boxes = [A, [50, 50, 40, 40]]
    found = tracks_of(A, [60, 60, 10, 10], FAR, classes=[number] * 3)
    assert kept(gt_of(*boxes), [DISTRACTOR, REGION], found, number) == 1


def test_a_distractor_is_not_used_up_by_another_class():
    found = tracks_of(A, A, classes=[PERSON, CAR])
    assert kept(gt_of(A), [DISTRACTOR], found, PERSON) == kept(gt_of(A), [DISTRACTOR], found, CAR) == 0


def test_ids_are_relabelled_per_class_and_frames_without_boxes_stay():
    gt = gt_of(A, FAR, A, frames=[1, 1, 3], ids=[40, 50, 50])
    found = tracks_of(A, FAR, A, frames=[1, 3, 3], ids=[9, 9, 4], classes=[CAR, CAR, PERSON])
    data = class_data(frames_of(gt, np.array([PERSON, CAR, CAR]), found, 3, "gt.txt"), CAR)
    assert [ids.tolist() for ids in data["gt_ids"]] == [[0], [], [0]]
    assert [ids.tolist() for ids in data["tracker_ids"]] == [[0], [], [0]]
    assert [scores.tolist() for scores in data["similarity_scores"]] == [[[0.0]], [], [[0.0]]]
    assert (data["num_timesteps"], data["num_gt_dets"], data["num_tracker_dets"]) == (3, 2, 2)
    assert (data["num_gt_ids"], data["num_tracker_ids"]) == (1, 1)


@pytest.mark.parametrize(
    ("frames", "ids", "purposes", "line"),
    [
        ([1, 1], [5, 5], [PERSON, PERSON], 2),
        ([1, 3], [5, 6], [PERSON, PERSON], 2),  # behind the end
        ([0, 1], [5, 6], [REGION, PERSON], 1),
    ],
)
def test_bad_ground_truth_is_named(frames, ids, purposes, line):
    with pytest.raises(InputError) as caught:
        frames_of(gt_of(A, FAR, frames=frames, ids=ids), np.array(purposes), tracks_of(), 2, "x.zip: gt/gt.txt")
    assert caught.value.where == f"x.zip: gt/gt.txt:{line}"


def test_regions_may_share_an_id():
    assert kept(gt_of(A, FAR, ids=[0, 0]), [REGION, REGION], tracks_of()) == 0
