"""Who hides whom, and how much: against masks and rays computed here."""

import cv2
import numpy as np
import pytest

from stages.world.camera import aim
from stages.world.paint import Boxes, Canvas, Item, fixed, hiding
from stages.world.render import gt_rows

RED, BLUE = (0, 0, 255, 255), (255, 0, 0, 255)


def rectangle(left: float, top: float, right: float, bottom: float, colour=RED) -> Item:
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    return Item([(fixed(corners), colour)], left, top, right, bottom)


def empty(width: int = 80, height: int = 60) -> Canvas:
    return Canvas(np.zeros((height, width, 4), np.uint8), np.zeros((height, width), np.uint16))


def test_visibility_is_what_an_occluder_leaves():
    """A 20 x 30 thing behind an occluder over its right 5 columns and its whole height: 0.75 of it is visible."""
    canvas = empty()
    painted = [(1, canvas.paint(1, rectangle(10.5, 10.5, 29.5, 39.5)))]
    painted.append((2, canvas.paint(2, rectangle(25.5, 5.5, 49.5, 49.5, BLUE))))
    assert (painted[0][1].left, painted[0][1].top, painted[0][1].width, painted[0][1].height) == (10, 10, 20, 30)
    rows = gt_rows(7, canvas, painted, solids=0, people=1)
    assert rows[0] == (7, 1, 5.0, 5.0, 10.0, 15.0, 1, 1, 0.75)
    assert rows[1] == (7, 2, 12.5, 2.5, 12.5, 22.5, 1, 2, 1.0)


def test_visibility_equals_that_of_masks_drawn_apart():
    canvas = empty()
    star = np.array([(12, 8), (44, 15), (30, 52)], float)
    item = Item([(fixed(star), RED)], 12, 8, 44, 52)
    painted = [(1, canvas.paint(1, item)), (2, canvas.paint(2, rectangle(20.5, 20.5, 60, 33.5, BLUE)))]
    alone, cover = empty(), empty()
    alone.paint(1, item)
    cover.paint(2, rectangle(20.5, 20.5, 60, 33.5))
    both = (alone.owner == 1) & (cover.owner == 2)
    expected = 1 - both.sum() / (alone.owner == 1).sum()
    assert 0.3 < expected < 0.8
    assert gt_rows(1, canvas, painted, 0, 2)[0][-1] == round(expected, 4)
    mask = np.zeros((60, 80), np.uint8)  # and the silhouette is the triangle, give or take its edge
    cv2.fillConvexPoly(mask, star.round().astype(np.int32), 1)
    assert abs(int(mask.sum()) - painted[0][1].pixels) <= 0.06 * mask.sum()


@pytest.mark.parametrize(("covered", "label"), [(11, 1), (13, 3), (20, None)])
def test_hardly_visible_is_hidden_and_invisible_has_no_row(covered, label):
    """Of 20 columns, ``covered`` are behind something; below 0.4 it is class 3, at 0 there is no row."""
    canvas = empty()
    painted = [(1, canvas.paint(1, rectangle(10.5, 10.5, 29.5, 39.5)))]
    canvas.paint(2, rectangle(10.5, 5.5, 9.5 + covered, 49.5, BLUE))
    labels = [row[7] for row in gt_rows(1, canvas, painted, 0, 1)]
    assert labels == ([] if label is None else [label])


def test_hiders_keep_their_pixels_and_the_box_stays_whole():
    canvas = empty()
    canvas.paint(1, rectangle(25.5, 5.5, 49.5, 49.5, BLUE))
    before = canvas.image[..., :3].copy()
    behind = canvas.paint(2, rectangle(10.5, 10.5, 29.5, 39.5), np.array([False, True, False]))
    assert (behind.width, behind.pixels) == (20, 600)
    assert canvas.visible(2, behind) == (450, 15, 30)
    np.testing.assert_array_equal(canvas.image[:, 25:, :3], before[:, 25:])


def test_boxes_are_clipped_to_the_canvas():
    canvas = empty()
    box = canvas.paint(1, rectangle(-20, 30.5, 9.5, 90))
    assert (box.left, box.top, box.width, box.height) == (0, 30, 10, 30)
    assert canvas.paint(2, rectangle(-20, 0, -5, 20)) is None


def crosses(viewer: np.ndarray, target: np.ndarray, box: Boxes) -> bool:
    """Does the way from ``viewer`` to ``target`` lead through the one box? By sampling it."""
    points = viewer + np.linspace(0, 1, 400)[:, None] * (target - viewer)
    local = (points - box.centre[0]) @ box.axes()[0].T
    return bool((np.abs(local) < box.half[0] * 0.98).all(axis=1).any())


def test_hiding_agrees_with_rays():
    """Random pairs of boxes apart: whenever rays say that one stands before the other, so does `hiding`."""
    rng, checked = np.random.default_rng(5), 0
    for _ in range(400):
        boxes = Boxes(rng.uniform(-8, 8, (2, 2)), rng.uniform(0.2, 4, (2, 2)), rng.uniform(0, 7, 2))
        viewer = np.array([0.0, -25.0])
        pair = boxes[np.array([0])], boxes[np.array([1])]
        grid = np.stack(np.meshgrid([-0.97, -0.5, 0, 0.5, 0.97], [-0.97, 0, 0.97]), -1).reshape(-1, 2)
        inside = [box.centre[0] + (grid * box.half[0]) @ box.axes()[0] for box in pair]
        if cv2.intersectConvexConvex(*boxes.corners().astype(np.float32))[0] > 0:
            continue
        first = any(crosses(viewer, point, pair[0]) for point in inside[1])
        second = any(crosses(viewer, point, pair[1]) for point in inside[0])
        if first == second:  # they do not meet in the view
            continue
        hides, checked = hiding(viewer, boxes), checked + 1
        assert hides[0, 1] == first
        assert hides[1, 0] == second
    assert checked > 50


def test_ground_homography_agrees_with_projection():
    camera = aim(np.array([3.0, -9.0, 5.0]), 1.2, 0.4, 300.0, 320, 192)
    place = np.array([4.0, 2.0])
    column, row, scale = camera.ground() @ [*place, 1]
    np.testing.assert_allclose([column / scale, row / scale], camera.pixels(camera.view(np.array([*place, 0.0]))))
    assert camera.view(np.array([*place, 0.0]))[2] > 0
