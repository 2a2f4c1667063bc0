"""Text is shortened in its middle until it fits."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from stages.lettering import fitted, font

PEN = ImageDraw.Draw(Image.new("L", (1, 1)))


def test_text_that_fits_is_left_alone():
    assert fitted(PEN, "MOT17-02", 200, font(12)) == "MOT17-02"


@pytest.mark.parametrize("name", ["a-very-long-name-of-a-sequence", "очень-длинное-имя-видео"])
def test_a_long_name_keeps_its_ends(name: str):
    shown = fitted(PEN, name, 90, font(12))
    start, _, end = shown.partition("…")
    assert name.startswith(start) and name.endswith(end) and abs(len(start) - len(end)) <= 1
    assert 70 < PEN.textlength(shown, font(12)) <= 90


def test_four_letters_are_the_least():
    assert fitted(PEN, "sequence", 1, font(12)) == "se…ce"


def test_bold_is_wider():
    assert PEN.textlength("street", font(20, bold=True)) > PEN.textlength("street", font(20))
