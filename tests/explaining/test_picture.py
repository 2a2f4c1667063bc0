from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.explaining.explainer import Scene
from stages.explaining.looking import Heat
from stages.explaining.picture import WIDTH, draw, part_shown, wrapped, write_picture
from tests.explaining_cases import account, mistake


def scene(width: int, height: int, noise: bool = False) -> Scene:
    frame = np.full((height, width, 3), 120, np.uint8)
    if noise:
        frame = np.random.default_rng(0).integers(0, 256, frame.shape).astype(np.uint8)
    return Scene(frame, np.array([[12.0, 11, 31, 52]]), np.zeros((0, 4)))


def warm(width: int, height: int, x: int, y: int) -> Heat:
    heat = np.zeros((height, width), np.float32)
    heat[y - 2 : y + 3, x - 2 : x + 3] = 1 / 25
    return Heat(heat, "gradient")


@pytest.mark.parametrize(
    ("box", "frame", "part"),
    [
        ((100, 60, 120, 110), (320, 192), (0, 0, 320, 192)),  # nearly all of it: all
        ((100, 90, 110, 100), (320, 192), (25, 47, 185, 143)),  # 160 pixels at least
        ((0, 0, 10, 10), (320, 192), (0, 0, 160, 96)),  # in a corner
        ((900, 500, 940, 600), (1920, 1080), (620, 381, 1220, 719)),  # six times the longer side
        ((1880, 1000, 1920, 1080), (1920, 1080), (1440, 810, 1920, 1080)),
        ((0, 0, 1900, 1000), (1920, 1080), (0, 0, 1920, 1080)),
        ((10, 700, 60, 800), (480, 1280), (0, 570, 480, 930)),  # upright: no taller than a part of it
        ((10, 10, 12, 12), (64, 64), (0, 0, 64, 48)),
        ((-500, -500, -400, -400), (1920, 1080), (0, 0, 600, 338)),  # beyond the frame
    ],
)
def test_the_part_that_is_shown(box: tuple, frame: tuple, part: tuple):
    assert part_shown(np.array(box, float), *frame) == part


def test_the_heat_is_where_it_was_and_the_box_is_drawn():
    told = account(mistake(box=(200, 40, 260, 120)), box=None, heat=warm(320, 192, 100, 60))
    page = np.asarray(draw(told, scene(320, 192), "Short."))
    assert page.shape[1] == WIDTH
    red, blue = page[..., 0].astype(int), page[..., 2].astype(int)
    overlay = page[:384]
    y, x = np.argwhere(red[:384] - blue[:384] > 60).mean(axis=0)
    assert (x / 2, y / 2) == (pytest.approx(100, abs=3), pytest.approx(60, abs=3))
    assert (overlay[80:240, 400:403] == 255).all() and (overlay[80:240, 520:522] == 255).any()
    assert np.ptp(overlay[300:340, 20:300].astype(int)) == 0  # cool places are as the frame is


def test_boxes_beyond_the_part_and_of_no_size():
    told = account(
        mistake(box=(5, 5, 5, 5)),
        box=np.array([-50.0, -50, -20, -20]),
        heat=Heat(np.zeros((60, 100), np.float32), "eigen"),
    )
    page = draw(told, scene(100, 60), "Short.")
    assert page.size[0] == WIDTH


@pytest.mark.parametrize(("width", "height"), [(64, 64), (1920, 1080), (480, 1280), (2000, 50)])
def test_every_file_is_a_jpeg_below_100_kb(tmp_path: Path, width: int, height: int):
    heat = Heat(np.full((height, width), 1 / width / height, np.float32), "gradient")
    for name in ("a.jpg", "b.jpg"):
        write_picture(
            tmp_path / name, account(mistake(), heat=heat), scene(width, height, noise=True), "A sentence. " * 30
        )
    content = (tmp_path / "a.jpg").read_bytes()
    assert content == (tmp_path / "b.jpg").read_bytes() and 5_000 < len(content) < 100_000
    picture = Image.open(tmp_path / "a.jpg")
    assert picture.format == "JPEG" and picture.width == WIDTH and picture.height < 900
    assert cv2.imread(str(tmp_path / "a.jpg")).std() > 10


def test_sentences_are_broken_between_words():
    text = "Missed person: 12 % of the heat lies in the box, which is 4 % of the frame."
    lines = wrapped(text, 150)
    assert len(lines) > 3 and " ".join(lines).replace("\u00a0", " ") == text
    assert not any(line.startswith("%") for width in range(60, 300) for line in wrapped(text, width))
    assert wrapped("x" * 300, 100)[0].count("…") == 1
