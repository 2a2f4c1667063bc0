from __future__ import annotations

import numpy as np
import pytest

from stages.mixtures.clips import Targets
from stages.params.stage import Augment
from stages.training.augment import augment_clip, move_targets

WIDTH, HEIGHT = 160, 96
STILL = {"flip": 0.0, "scale": 0.0, "translate": 0.0, "colour": 0.0}


def _targets(*boxes: tuple) -> Targets:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.arange(len(array))
    return Targets(array, numbers, numbers + 10, array[:1], array[:1])


def _rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return image


def _white(image: np.ndarray) -> list[float]:
    """The box around what is more than half white."""
    rows, columns = np.nonzero(image[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize(
    "changes", [{"flip": 1.0}, {"scale": 0.5}, {"translate": 0.2}, {"flip": 0.5, "scale": 0.4, "translate": 0.15}]
)
def test_boxes_follow_the_pixels(changes: dict):
    rng, box, seen = np.random.default_rng(0), (60, 30, 90, 50), set()
    for _ in range(25):
        frames, targets = augment_clip([_rectangle(*box)], [_targets(box)], Augment(**STILL | changes), rng)
        assert np.abs(targets[0].boxes[0] - _white(frames[0])).max() <= 1.0
        assert np.abs(targets[0].distractors[0] - _white(frames[0])).max() <= 1.0
        seen.add(tuple(targets[0].boxes[0]))
    assert len(seen) == 1 if changes == {"flip": 1.0} else len(seen) > 1


def test_zoom_and_shift_stay_within_their_limits():
    rng, zooms, shifts = np.random.default_rng(0), [], []
    for _ in range(200):
        target = augment_clip(
            [_rectangle(70, 40, 90, 56)],
            [_targets((70, 40, 90, 56))],
            Augment(**STILL | {"scale": 0.3, "translate": 0.1}),
            rng,
        )[1]
        x1, y1, x2, y2 = target[0].boxes[0].astype(float)
        zooms.append((x2 - x1) / 20)
        shifts.append(((x1 + x2) / 2 - 80, (y1 + y2) / 2 - 48))  # the box is in the middle
    assert 0.7 <= min(zooms) < 0.75 and 1.25 < max(zooms) <= 1.3 + 1e-5
    reach = np.abs(shifts).max(0)
    assert 14 < reach[0] <= 16 + 1e-3 and 8.5 < reach[1] <= 9.6 + 1e-3


def test_a_clips_frames_change_alike():
    settings, rng = Augment(flip=0.5, scale=0.3, translate=0.1, colour=0.0), np.random.default_rng(3)
    boxes = [(60, 30, 90, 50), (64, 30, 94, 50)]
    moved = augment_clip([_rectangle(*box) for box in boxes], [_targets(box) for box in boxes], settings, rng)[1]
    shift = moved[1].boxes[0] - moved[0].boxes[0]
    assert shift[0] == pytest.approx(shift[2], abs=1e-4) and shift[1] == shift[3] == 0 and abs(shift[0]) > 2


def test_what_leaves_the_frame_is_cut_or_dropped():
    matrix = np.array([[1.0, 0, 100], [0, 1, 0]])  # to the right by 100 pixels
    targets = _targets((0, 0, 40, 20), (50, 0, 70, 20), (70, 0, 90, 20), (59, 0, 158.5, 20))
    moved = move_targets(targets, matrix, WIDTH, HEIGHT)
    # The first stays; the second keeps half; the third is gone; the fourth keeps 1 pixel.
    assert moved.boxes.tolist() == [[100, 0, 140, 20], [150, 0, 160, 20]]
    assert moved.classes.tolist() == [0, 1] and moved.identities.tolist() == [10, 11]
    assert move_targets(_targets((0, 0, 100, 20)), np.array([[1.0, 0, 151], [0, 1, 0]]), WIDTH, HEIGHT).boxes.size == 0


def test_colour_keeps_places_and_grey_keeps_its_hue():
    image = np.full((HEIGHT, WIDTH, 3), (40, 120, 200), np.uint8)
    settings = Augment(**STILL | {"colour": 1.0})
    (changed,), (target,) = augment_clip([image], [_targets((1, 2, 30, 40))], settings, np.random.default_rng(0))
    assert np.array_equal(target.boxes, _targets((1, 2, 30, 40)).boxes)
    assert (
        len(np.unique(changed.reshape(-1, 3), axis=0)) == 1
        and np.abs(changed[0, 0].astype(int) - image[0, 0]).max() > 8
    )
    (grey,), _ = augment_clip([np.full_like(image, 128)], [_targets()], settings, np.random.default_rng(0))
    assert len(np.unique(grey)) == 1


def test_no_strength_leaves_a_frame_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    (same,), (target,) = augment_clip([image], [_targets((1, 2, 3.5, 40))], Augment(**STILL), np.random.default_rng(0))
    assert np.array_equal(same, image) and np.array_equal(target.boxes, [[1, 2, 3.5, 40]])
