"""Which frames are shown, and what is drawn on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.exploring.tiles import choose_tiles, draw_frames
from stages.exploring.views import mixture_view, source_view
from tests.exploring_data import clip, manifest, params, row, walker, write_source

BLUE = (0x00, 0x72, 0xB2)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_frames_come_from_all_over_the_source_and_show_boxes():
    write_source({f"s{n:02d}": ("train", 60, walker(range(31, 37))) for n in range(12)})
    tiles = choose_tiles(source_view("tiny", params()))
    assert [(tile.sequence, tile.frame) for tile in tiles] == [
        (f"s{n:02d}", frame) for n, frame in zip(range(1, 12, 2), range(31, 37), strict=True)
    ]
    assert (tiles[0].part, tiles[0].seconds) == ("train", 3.0)


def test_a_source_smaller_than_the_page():
    write_source({"a": ("train", 1, walker(range(1, 2))), "b": ("test", 1, [])})
    tiles = choose_tiles(source_view("tiny", params()))
    assert [(tile.sequence, tile.part) for tile in tiles] == [("a", "train"), ("b", "test")]


def test_clips_show_their_first_and_last_frame():
    write_source({"a": ("train", 60, walker(range(1, 60), step=0))})
    view = mixture_view("stage1", manifest(), [clip("a", n, n + 5, n + 10) for n in range(1, 40, 2)])
    assert [tile.frame for tile in choose_tiles(view)] == [7, 17, 21, 31, 33, 43]


def test_boxes_are_drawn_where_they_are_in_their_colours():
    boxes = [row(1, 1, 16, 12, 32, 24), row(1, 2, 4, 4, 8, 8, label=13)]
    write_source({"a": ("train", 1, boxes)})
    view = source_view("tiny", params())
    picture, table = draw_frames(view, choose_tiles(view), 1300)
    place = picture[24:-27, 8:430]  # the first tile: 422 x 316 pixels for 64 x 48
    lines = (place == BLUE).all(axis=2)
    ys, xs = np.nonzero(lines)
    factor = 422 / 64
    assert [xs.min(), xs.max(), ys.min(), ys.max()] == pytest.approx(
        [16 * factor, 48 * factor, 12 * factor, 36 * factor], abs=1.5
    )
    grey = (place == (225, 225, 225)).all(axis=2)
    ys, xs = np.nonzero(grey)
    assert [xs.min(), xs.max(), ys.min(), ys.max()] == pytest.approx([4 * factor, 12 * factor] * 2, abs=1.5)
    inside = grey[30:75, 30:75]
    assert 0.05 < inside.mean() < 0.2  # hatched, not filled
    assert [(r["class"], r["boxes"]) for r in table] == [("person", 1), ("car", 0), ("region", 1)]
    assert (table[0]["sequence"], table[0]["frame"], table[0]["part"]) == ("a", 1, "train")
