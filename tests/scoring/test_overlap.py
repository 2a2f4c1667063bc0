from __future__ import annotations

import numpy as np
import pytest

from stages.scoring.overlap import iou, pixels_inside, share_inside

BOX = [10.0, 20.0, 40.0, 20.0]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (BOX, 1.0),
        ([30.0, 20.0, 40.0, 20.0], 1 / 3),  # half of each shared
        ([10.0, 20.0, 20.0, 20.0], 0.5),  # half of it
        ([50.0, 20.0, 40.0, 20.0], 0.0),  # they touch
        ([10.0, 20.0, 0.0, 20.0], 0.0),  # no width
        ([50.0, 40.0, -40.0, -20.0], 0.0),  # a negative size is no box
    ],
)
def test_iou(other, expected):
    assert iou(np.array([BOX]), np.array([other])) == pytest.approx(expected)
    assert iou(np.array([other]), np.array([BOX])) == pytest.approx(expected)


def test_iou_of_a_box_with_itself_is_exactly_one():
    boxes = np.random.default_rng(0).uniform(0.1, 1900, (2000, 4))
    assert all(iou(box[None], box[None])[0, 0] == 1.0 for box in boxes)


def test_iou_of_nothing():
    assert iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_share_inside_takes_the_largest_region_not_the_smallest_box():
    boxes = np.array([BOX, [0, 0, 0, 5]])
    regions = np.array([[0.0, 0.0, 20.0, 100.0], [0.0, 0.0, 40.0, 100.0]])
    assert share_inside(boxes, regions).tolist() == [0.75, 0.0]
    assert share_inside(boxes, np.zeros((0, 4))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("box", "regions", "share"),
    [
        ([1, 1, 4, 4], [], 0),
        ([1, 1, 4, 4], [[1, 1, 4, 4]], 1),  # the region holds columns 1 to 5, the box 2 to 5
        ([1, 1, 4, 4], [[1, 1, 1, 4]], 1 / 4),
        ([1, 1, 4, 4], [[1, 1, 1, 4], [1, 1, 2, 4], [1, 4, 4, 4]], (4 * 2 + 2 * 2) / 16),  # a union, not a sum
        ([1.4, 0.5, 4.4, 3.5], [[1, 1, 1, 4]], 1 / 4),  # halves go up
        ([-30, -2, 4, 4], [[1, 1, 1, 4]], 1 / 4),  # in front of the frame is at its edge
        ([8, 1, 4, 4], [[1, 1, 90, 90]], 2 / 4),  # two of its columns are behind the frame, which is 10 wide
        ([50, 1, 4, 4], [[1, 1, 90, 90]], 0),
        ([1, 1, 4, 4], [[50, 50, 4, 4]], 0),
    ],
)
def test_pixels_inside_regions(box, regions, share):
    found = pixels_inside(np.array([box], float), np.array(regions, float).reshape(-1, 4), (10, 10))
    assert found.tolist() == [share]
