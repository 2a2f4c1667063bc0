from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.detectors.frames import GREY, resized
from stages.mixtures.clips import Targets
from stages.params.stage import Augment
from stages.training.augment import Piece, Window, Zoom, augment_clip, draw_zoom, fit_piece

WIDTH, HEIGHT = SIZE = 160, 96
STILL = {"flip": 0.0, "scale": (1.0, 1.0), "translate": 0.0, "colour": 0.0}
EVERYTHING = {"flip": 0.5, "scale": (0.6, 1.4), "translate": 0.15, "crop": 0.5}


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


def _noise(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [SIZE, (240, 144), (50, 30)])
@pytest.mark.parametrize(
    "changes", [{"flip": 1.0}, {"scale": (0.5, 1.5)}, {"translate": 0.2}, {"crop": 1.0}, EVERYTHING]
)
def test_boxes_follow_the_pixels(changes: dict, size: tuple[int, int]):
    rng, box, seen = np.random.default_rng(0), (60, 30, 90, 50), set()
    for _ in range(25):
        frames, targets = augment_clip([_rectangle(*box)], [_targets(box)], size, Augment(**STILL | changes), rng)
        assert frames[0].shape == (size[1], size[0], 3)
        if not len(targets[0].boxes):
            continue
        assert np.abs(targets[0].boxes[0] - _white(frames[0])).max() <= 1.0
        assert np.array_equal(targets[0].distractors, targets[0].boxes)
        seen.add(tuple(targets[0].boxes[0]))
    assert len(seen) == 1 if changes == {"flip": 1.0} else len(seen) > 12


def test_boxes_of_a_piece_by_hand():
    # The frame's 40 x 20 window becomes 80 x 60: twice as wide, three times as high.
    source, place = Window(10, 20, 50, 40), Window(100, 5, 180, 65)
    targets = _targets((20, 25, 30, 30), (0, 0, 20, 30), (0, 0, 11, 40), (40, 30, 50.5, 31), (49.5, 20, 60, 40))
    moved = Piece(source, place).move(targets)
    # The second keeps 10 x 10 of its 20 x 30, the third 1 x 20 of 11 x 40: a 22nd; the last only a pixel's width.
    assert moved.boxes.tolist() == [[120, 20, 140, 35], [100, 5, 120, 35], [160, 35, 180, 38]]
    assert moved.identities.tolist() == [10, 11, 13] and moved.classes.tolist() == [0, 1, 3]
    assert moved.boxes.dtype == np.float32
    mirrored = Piece(source, place, mirrored=True).move(targets)
    assert mirrored.boxes.tolist() == [[140, 20, 160, 35], [160, 5, 180, 35], [100, 35, 120, 38]]


def test_what_is_ignored_is_cut_to_the_piece_too():
    piece = Piece(Window(0, 0, 40, 40), Window(20, 0, 60, 40))
    none, away = np.zeros((0, 4), np.float32), np.float32([[50, 0, 60, 10]])
    targets = Targets(none, np.zeros(0, int), np.zeros(0, int), away, np.float32([[30, 30, 90, 31]]))
    moved = piece.move(targets)
    assert moved.boxes.shape == moved.distractors.shape == (0, 4) and moved.regions.tolist() == [[50, 30, 60, 31]]


def test_zoom_and_shift_stay_within_their_limits_and_fill_them():
    rng, settings = np.random.default_rng(0), Augment(**STILL | {"scale": (0.5, 1.3), "translate": 0.1})
    drawn = [draw_zoom(SIZE, settings, rng) for _ in range(500)]
    zooms, middle = np.array([zoom.scale for zoom in drawn]), np.array(SIZE) / 2
    shifts = np.array([zoom(middle) - middle for zoom in drawn])
    assert np.array_equal(zooms[:, 0], zooms[:, 1])
    assert 0.5 <= zooms.min() < 0.51 and 1.29 < zooms.max() <= 1.3 and zooms.mean() == pytest.approx(0.9, abs=0.03)
    assert np.allclose(np.abs(shifts).max(0), (16, 9.6), rtol=0.02) and np.abs(shifts.mean(0)).max() < 1


def test_a_crop_is_a_window_of_the_frame_that_fills_the_image():
    rng, settings = np.random.default_rng(0), Augment(**STILL | {"crop": 0.3})
    drawn = [draw_zoom(SIZE, settings, rng) for _ in range(1000)]
    cropped = [zoom for zoom in drawn if tuple(zoom.scale) != (1, 1)]
    assert 0.26 < len(cropped) / 1000 < 0.34
    corners = np.array([-zoom.shift / zoom.scale / SIZE for zoom in cropped])  # as shares of the frame
    sides = np.array([1 / zoom.scale for zoom in cropped])
    assert 0.5 <= sides.min() < 0.52 and 0.98 < sides.max() <= 1
    stretch = sides[:, 0] / sides[:, 1]
    assert 0.75 <= stretch.min() < 0.8 and 1.25 < stretch.max() <= 4 / 3 + 1e-9
    assert corners.min() >= 0 and (corners + sides).max() <= 1 + 1e-9 and np.ptp(corners, axis=0).min() > 0.4


def test_a_crop_shows_what_the_frame_as_it_was_read_holds():
    """A crop of half a frame that is twice the image's size has the frame's own pixels."""
    frame = _noise(2 * HEIGHT, 2 * WIDTH)
    piece = fit_piece(frame, Zoom(np.ones(2), np.float64([-40, -30])), Window(0, 0, *SIZE))
    assert piece.source == (40, 30, 200, 126) and piece.place == (0, 0, *SIZE)
    assert np.array_equal(piece.of(frame), frame[30:126, 40:200])


@pytest.mark.parametrize(
    ("scale", "shift", "source", "place"),
    [
        (1.0, (0, 0), (0, 0, 160, 96), (0, 0, 160, 96)),
        (0.5, (10, 20), (0, 0, 160, 96), (10, 20, 90, 68)),  # small, in grey
        (0.5, (10.4, 20.6), (0, 1, 159, 96), (10, 21, 90, 69)),
        (2.0, (-100, -40), (50, 20, 130, 68), (0, 0, 160, 96)),
        (1.0, (100, -16), (0, 16, 60, 96), (100, 0, 160, 80)),
        (0.25, (-16, 0), (64, 0, 160, 96), (0, 0, 24, 24)),  # 4 pixels of the frame to one
        (1.0, (500, -500), (0, 95, 1, 96), (159, 0, 160, 1)),  # out of sight: a pixel is left
    ],
)
def test_a_zoom_is_followed_to_the_next_whole_pixel(scale: float, shift: tuple, source: tuple, place: tuple):
    piece = fit_piece(_noise(), Zoom(np.full(2, scale), np.array(shift, np.float64)), Window(0, 0, *SIZE))
    assert (piece.source, piece.place) == (source, place)


def test_shrinking_averages_whole_pixels_first():
    frame = _noise(8 * HEIGHT, 8 * WIDTH)
    piece = Piece(Window(0, 0, 8 * 40, 8 * 30), Window(0, 0, 40, 30))
    means = frame[:240, :320].reshape(30, 8, 40, 8, 3).mean((1, 3))
    assert np.abs(piece.of(frame) - means).max() <= 0.51
    checker = np.tile(np.uint8([[0, 255], [255, 0]]), (48, 80))[..., None].repeat(3, 2)  # grey from afar
    seen = Piece(Window(0, 0, 160, 96), Window(0, 0, 64, 38)).of(checker)
    assert np.abs(seen.astype(int) - 128).max() <= 1


def test_what_is_no_part_of_the_frame_is_grey():
    settings, black = Augment(**STILL | {"scale": (0.5, 0.5)}), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    (image,), (target,) = augment_clip([black], [_targets((-20, -20, 80, 48))], SIZE, settings, _rng())
    assert (image[24:72, 40:120] == 0).all() and (image == GREY).mean() == 0.75
    assert target.boxes.tolist() == [[40, 24, 80, 48]]  # an object ends where the frame does


def test_a_clips_frames_change_alike():
    settings, rng = Augment(**EVERYTHING, colour=0.5), np.random.default_rng(3)
    boxes = [(60, 30, 90, 50), (64, 30, 94, 50)]
    frames, moved = augment_clip([_rectangle(*b) for b in boxes], [_targets(b) for b in boxes], SIZE, settings, rng)
    shift = moved[1].boxes[0] - moved[0].boxes[0]
    assert shift[0] == pytest.approx(shift[2], abs=1e-4) and shift[1] == shift[3] == 0 and abs(shift[0]) > 2
    assert len({tuple(np.unique(frame.reshape(-1, 3), axis=0)[-1]) for frame in frames}) == 1


def _hsv(pixel: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixel.reshape(1, 1, 3), cv2.COLOR_BGR2HSV_FULL)[0, 0].astype(float)


def test_colours_turn_and_stretch_within_their_limits():
    image, rng, seen = np.full((2, 2, 3), (70, 90, 120), np.uint8), np.random.default_rng(0), []
    for _ in range(300):
        (changed,), _ = augment_clip([image], [_targets()], (2, 2), Augment(**STILL | {"colour": 0.5}), rng)
        assert len(np.unique(changed.reshape(-1, 3), axis=0)) == 1
        seen.append(_hsv(changed[0, 0]))
    _, saturation, value = (np.array(seen) / _hsv(image[0, 0])).T
    turns = (np.array(seen)[:, 0] - _hsv(image[0, 0])[0] + 128) % 256 - 128
    assert 4 < np.abs(turns).max() < 14 and abs(turns.mean()) < 1.5  # 0.5 * 0.04 of 256 in YIQ, about that in HSV
    assert (
        0.4 < saturation.min() < 0.7 and 1.3 < saturation.max() < 1.6 and saturation.mean() == pytest.approx(1, abs=0.1)
    )
    assert 0.5 < value.min() < 0.75 and 1.25 < value.max() < 1.6 and value.mean() == pytest.approx(1, abs=0.06)


def test_grey_stays_grey_and_places_stay_as_they_are():
    image, rng = np.full((HEIGHT, WIDTH, 3), 128, np.uint8), np.random.default_rng(0)
    for _ in range(20):
        (grey,), (target,) = augment_clip(
            [image], [_targets((1, 2, 30, 40))], SIZE, Augment(**STILL | {"colour": 1.0}), rng
        )
        assert np.ptp(grey[0, 0].astype(int)) <= 1 and np.array_equal(target.boxes, [[1, 2, 30, 40]])


@pytest.mark.parametrize("shape", [(96, 160), (192, 320), (333, 500), (60, 100), (375, 1242)])
def test_no_strength_gives_what_validation_sees(shape: tuple[int, int]):
    frame = _noise(*shape)
    expected = resized(frame, 160)
    size = expected.shape[1::-1]
    factor = np.array(size * 2) / (frame.shape[1::-1] * 2)
    (same,), (target,) = augment_clip([frame], [_targets((1, 2, 30.5, 40))], size, Augment(**STILL), _rng())
    assert np.array_equal(same, expected)
    assert np.allclose(target.boxes, np.array([[1, 2, 30.5, 40]]) * factor, atol=0.5)


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("knob", ["flip", "scale", "translate", "colour", "crop"])
def test_each_knob_acts_and_leaves_the_others_draws_alone(knob: str):
    frame, all_on = _noise(), {"flip": 1.0, "scale": (1.2, 1.2), "translate": 0.2, "colour": 0.6, "crop": 1.0}

    def run(**settings: object) -> tuple[np.ndarray, Zoom]:
        frames, _ = augment_clip([frame], [_targets()], SIZE, Augment(**settings), _rng())
        return frames[0], draw_zoom(SIZE, Augment(**settings), _rng())

    still = STILL | {"crop": 0.0}
    assert not np.array_equal(run(**still | {knob: all_on[knob]})[0], frame) and np.array_equal(run(**still)[0], frame)
    (with_all, zoom), (without, other) = run(**all_on), run(**all_on | {knob: still[knob]})
    assert not np.array_equal(with_all, without)
    if knob in ("flip", "colour"):
        assert np.array_equal(zoom.scale, other.scale) and np.array_equal(zoom.shift, other.shift)
    if knob == "translate":
        assert np.array_equal(zoom.scale, other.scale)
