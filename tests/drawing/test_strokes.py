"""Text on frames: any alphabet, cut off at the frame's edges, on grounds that keep off one another."""

from __future__ import annotations

import numpy as np
import pytest

from stages.drawing.strokes import draw_label, ink_on, plate, text_size, write

SCALE, GREY, RED = 0.42, 90, (0, 0, 220)


def _frame(width: int = 200, height: int = 60) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def _written(text: str, place: tuple[int, int] = (20, 40)) -> np.ndarray:
    image = _frame()
    write(image, text, place, SCALE, RED)
    return image


@pytest.mark.parametrize("text", ["person", "véhicule", "улица", "δρόμος", "ÅØß", "12 0.87", "«x»"])
def test_letters_of_many_alphabets_are_drawn_as_what_they_are(text: str):
    drawn = _written(text)
    assert (drawn == RED).all(axis=2).any()  # the inside of a letter has the whole colour
    unknown = ["?" * len(text), "\ufffe" * len(text)]  # OpenCV's own letters, and a letter that no typeface has
    assert not any((drawn == _written(other)).all() for other in unknown)


def test_text_has_the_size_that_it_says():
    width, height, below = text_size("Hg 12", SCALE)
    rows, columns = np.where((_written("Hg 12") != GREY).any(axis=2))
    assert (rows.min(), rows.max()) == (40 - height, 40 + below - 1)
    assert columns.min() >= 20 and 20 + width - 3 <= columns.max() < 20 + width + 1
    assert text_size("", SCALE)[0] == 0


@pytest.mark.parametrize("shift", [(-35, 0), (160, 0), (0, -36), (0, 25), (-300, 0), (0, 900), (-35, -36)])
def test_what_does_not_fit_is_cut_off(shift: tuple[int, int]):
    margin = 1000
    large = _frame(200 + 2 * margin, 60 + 2 * margin)
    write(large, "person 12", (20 + shift[0] + margin, 40 + shift[1] + margin), SCALE, RED)
    cut = _written("person 12", (20 + shift[0], 40 + shift[1]))
    assert (cut == large[margin : margin + 60, margin : margin + 200]).all()


def test_no_text_draws_nothing():
    assert (_written("") == GREY).all()


def test_labels_keep_off_one_another():
    image, taken = _frame(), []
    for _ in range(2):
        draw_label(image, "car 3", (20, 25, 60, 40), RED, SCALE, taken)
    above, under = taken
    assert above[3] == 25 and under[1] == 40  # over the box, then below it
    for left, top, right, bottom in taken:
        ground = image[top:bottom, left:right]
        assert (ground[0] == RED).all() and (ground == ink_on(RED)).all(axis=2).any()
    assert (np.delete(image, np.r_[above[1] : above[3], under[1] : under[3]], axis=0) == GREY).all()


@pytest.mark.parametrize(("box", "corner"), [((195, 2, 240, 9), (200, 0)), ((-9, 58, 4, 70), (0, 60))])
def test_a_label_is_moved_into_the_frame(box: tuple[int, ...], corner: tuple[int, int]):
    image, taken = _frame(), []
    draw_label(image, "car 3", box, RED, SCALE, taken)
    [(left, top, right, bottom)] = taken
    assert corner[0] in (left, right) and (top == 0 or bottom <= 60)
    assert (image != GREY).any()


def test_a_label_wider_than_the_frame_is_cut_off():
    image = _frame(width=30, height=9)
    draw_label(image, "a pedestrian 1234", (5, 3, 9, 8), RED, SCALE, [])
    assert (image[0] == RED).all()


@pytest.mark.parametrize("text", ["Élan", "Ångström", "Ẩ"])
def test_accents_on_capitals_stay_on_the_ground(text: str):
    image, taken = _frame(), []
    draw_label(image, text, (20, 40, 60, 50), RED, SCALE, taken)
    [(left, top, right, bottom)] = taken
    assert (image[top, left:right] == RED).all() and bottom == 40
    assert text_size(text, SCALE)[1] > text_size("Hg", SCALE)[1]


def test_a_plate_holds_its_text_whole():
    shown = plate("улица HOTA 0.512", 1.0).any(axis=2)
    assert shown.any() and not (shown[0].any() or shown[-1].any() or shown[:, 0].any() or shown[:, -1].any())
