from __future__ import annotations

import numpy as np
import pytest

from stages.detectors.frames import GREY
from stages.mixtures.clips import ClipData, Targets
from stages.params.stage import Augment
from stages.training.mosaic import fullest_mosaic, mosaic_clip, renumbered

WIDTH, HEIGHT = SIZE = 160, 96
STILL = {"flip": 0.0, "scale": (1.0, 1.0), "translate": 0.0, "colour": 0.0}
EVERYTHING = {"flip": 0.5, "scale": (0.6, 1.4), "translate": 0.15, "crop": 0.5}
SIZES = [(160, 96), (320, 192), (100, 100), (90, 160)]  # of the four clips' frames
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
NO_BOXES = np.zeros((0, 4), np.float32)


def _targets(boxes: list, identities: list[int]) -> Targets:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Targets(array, np.arange(len(array)) % 2, np.array(identities, np.int64), array[:1], NO_BOXES)


def _clip(number: int, frames: int = 2) -> ClipData:
    """A black field with a box in a colour of its own in the middle that moves by a tenth from frame to frame."""
    (width, height), images, targets = SIZES[number], [], []
    for frame in range(frames):
        left, top = round((0.35 + 0.1 * frame) * width), round(0.3 * height)
        right, bottom = left + round(0.3 * width), top + round(0.4 * height)
        image = np.zeros((height, width, 3), np.uint8)
        image[top:bottom, left:right] = COLOURS[number]
        images.append(image)
        targets.append(_targets([(left, top, right, bottom)], [7]))
    return ClipData(images, targets, [0.0] * frames)


CLIPS = [_clip(number) for number in range(4)]


def _box_of(image: np.ndarray, number: int) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(((image > 127) == (np.array(COLOURS[number]) > 127)).all(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_boxes_of_every_clip_follow_its_pixels(changes: dict):
    rng, seen = np.random.default_rng(0), 0
    for _ in range(40):
        frames, targets = mosaic_clip(CLIPS, SIZE, Augment(**STILL | changes), rng)
        assert len(frames) == len(targets) == 2
        for image, target in zip(frames, targets, strict=True):
            assert image.shape == (HEIGHT, WIDTH, 3)
            for box, identity in zip(target.boxes, target.identities, strict=True):
                found = _box_of(image, int(identity))  # each clip has one object, so its number is the clip's
                assert np.abs(box - found).max() <= 2.0
                seen += 1
            assert (target.boxes[:, None] == target.distractors).all(-1).any(1).all()  # they are moved alike
    assert seen > 120


def test_four_clips_fill_the_image_around_a_centre():
    rng, centres, orders = np.random.default_rng(0), [], set()
    plain = [ClipData([np.full_like(c.frames[0], 50 * n)], [_targets([], [])], [0.0]) for n, c in enumerate(CLIPS)]
    for _ in range(60):
        (image,), _ = mosaic_clip(plain, SIZE, Augment(**STILL), rng)
        values = image[..., 0]
        column, row = (np.flatnonzero(np.diff(line.astype(int)) != 0) + 1 for line in (values[0], values[:, 0]))
        assert len(column) == len(row) == 1  # one border each way, and the same all along
        x, y = int(column[0]), int(row[0])
        quarters = (values[:y, :x], values[:y, x:], values[y:, :x], values[y:, x:])
        assert all(len(np.unique(quarter)) == 1 for quarter in quarters)
        orders.add(tuple(int(quarter[0, 0]) // 50 for quarter in quarters))
        centres.append((x / WIDTH, y / HEIGHT))
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders) and len(orders) > 15
    low, high = np.min(centres, axis=0), np.max(centres, axis=0)
    assert (low >= 0.29).all() and (high <= 0.71).all() and (high - low > 0.35).all()


def test_objects_keep_their_size_and_are_cut_at_the_border():
    """Frames of the image's own size: what is whole in its quarter is as large as before, what is cut, smaller."""
    rng, box = np.random.default_rng(1), [(72, 40, 88, 56)]
    clips = [ClipData([np.zeros((HEIGHT, WIDTH, 3), np.uint8)], [_targets(box, [1])], [0.0])] * 4
    whole = cut = 0
    for _ in range(50):
        _, (target,) = mosaic_clip(clips, SIZE, Augment(**STILL), rng)
        sides = target.boxes[:, 2:] - target.boxes[:, :2]
        full = (sides == 16).all(1)
        assert (sides[~full].min(1) >= 2).all() and (sides[~full].prod(1) >= 25.6).all() and sides.max() <= 16
        whole, cut = whole + full.sum(), cut + (~full).sum()
    assert whole > 40 and cut > 10


def test_small_frames_are_enlarged_to_fill_their_quarter_only_as_far_as_they_must():
    narrow = np.zeros((160, 40, 3), np.uint8)  # 160 high, as the image is wide: 40 pixels cannot fill a quarter
    clips = [ClipData([narrow], [_targets([(0, 0, 40, 160)], [1])], [0.0])] * 4
    (image,), (target,) = mosaic_clip(clips, SIZE, Augment(**STILL), np.random.default_rng(0))
    assert (image == 0).all() and len(target.boxes) >= 3  # one may show less than a tenth
    left, right = np.unique(target.boxes[:, 0]), np.unique(target.boxes[:, 2])
    assert left[0] == 0 and right[1] == WIDTH and left[1] == right[0]  # each is as wide as its quarter


def test_frames_go_on_beyond_the_mosaics_border_when_it_is_made_small():
    plain = [ClipData([np.full((HEIGHT, WIDTH, 3), 1, np.uint8)], [_targets([], [])], [0.0])] * 4
    rng, grey = np.random.default_rng(0), []
    for _ in range(30):
        (image,), _ = mosaic_clip(plain, SIZE, Augment(**STILL | {"scale": (0.7, 0.7)}), rng)
        grey.append((image == GREY).mean())
    assert np.mean(grey) < 0.35 and min(grey) < 0.12  # 0.51 if the mosaic ended there


def test_identities_of_different_clips_differ_and_last():
    clips = [[_targets([(0, 0, 9, 9)] * 2, [5, 3]), _targets([(0, 0, 9, 9)], [5])], [_targets([], [])] * 2]
    clips += [[_targets([(0, 0, 9, 9)], [3]), _targets([(0, 0, 9, 9)] * 2, [8, 3])]]
    numbers = [[target.identities.tolist() for target in targets] for targets in renumbered(clips)]
    assert numbers == [[[1, 0], [1]], [[], []], [[2], [3, 2]]]


def test_a_mosaic_depends_on_its_generator_alone():
    one, again, other = (mosaic_clip(CLIPS, SIZE, Augment(**EVERYTHING), np.random.default_rng(n)) for n in (4, 4, 5))
    assert np.array_equal(one[0], again[0]) and not np.array_equal(one[0], other[0])
    for a, b in zip(one[1], again[1], strict=True):
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Targets.__dataclass_fields__)


def test_the_fullest_mosaic_holds_what_others_hold_and_more():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 1, (60, 2)) ** 2 * (WIDTH - 10, HEIGHT - 10)  # crowded to the upper left
    crowd = _targets(np.hstack([corners, corners + 10]).tolist(), list(range(60)))
    clips = [ClipData([np.zeros((HEIGHT, WIDTH, 3), np.uint8)], [crowd], [0.0])] * 4
    settings = Augment(scale=(0.8, 1.2), translate=0.1)
    drawn = [len(mosaic_clip(clips, SIZE, settings, rng)[1][0].boxes) for _ in range(60)]
    _, (fullest,) = fullest_mosaic(clips, SIZE, settings)
    assert max(drawn) <= len(fullest.boxes) <= 240 and np.median(drawn) < 0.75 * len(fullest.boxes)
