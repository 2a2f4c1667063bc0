from __future__ import annotations

import numpy as np
import pytest

from stages.explaining.boxes import area, iou_with, share_inside


def test_overlap_with_many():
    box = np.array([0.0, 0, 10, 10])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 2, 8], [40, 40, 41, 41]])
    assert iou_with(box, others).tolist() == pytest.approx([1, 1 / 3, 0, 0, 0])
    assert iou_with(box, np.zeros((0, 4))).shape == (0,)
    assert area(box) == 100 and area(np.array([5.0, 5, 4, 9])) == 0


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0, 0, 4, 2), 1.0),
        ((0, 0, 2, 2), 0.5),
        ((0.5, 0, 1, 2), 0.125),  # half of a column
        ((-9, -9, 1, 1), 0.125),  # beyond the frame counts for nothing
        ((7, 7, 9, 9), 0.0),
        ((3, 1, 3, 1), 0.0),
    ],
)
def test_share_of_an_even_map_is_that_of_the_area(box: tuple, share: float):
    assert share_inside(np.full((2, 4), 0.3, np.float32), np.array(box, float)) == pytest.approx(share)


def test_share_of_what_is_warm():
    heat = np.array([[0, 0, 0], [0, 3, 1]], np.float32)
    assert share_inside(heat, np.array([1.0, 0, 2, 2])) == pytest.approx(0.75)
    assert share_inside(0 * heat, np.array([1.0, 0, 2, 2])) == 0
