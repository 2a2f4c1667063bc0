"""Histograms, positions and tables against counts made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.exploring import statistics as stats
from stages.exploring.views import View, source_view
from tests.exploring_data import params, row, walker, write_source


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def view() -> View:
    """Two people, one of them in four of six frames and half hidden, and a crowd; no car."""
    boxes = [*walker(range(1, 7)), *walker(range(3, 7), 2, 0, visibility=0.5), row(1, 0, 30, 30, 9, 9, label=13)]
    write_source({"a": ("train", 6, boxes), "b": ("test", 2, walker(range(1, 2)))})
    return source_view("tiny", params())


def by_key(view: View) -> dict[str, stats.Histogram]:
    return {found.quantity.key: found for found in stats.histograms(view)}


def test_boxes_per_frame(view: View):
    found = by_key(view)["boxes_per_frame"]
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert found.of_class("person").tolist() == [1, 3, 4]
    assert found.of_class("person", "test").tolist() == [1, 1, 0]
    assert found.of_class("car").tolist() == [8, 0, 0]


def test_size_shape_and_visibility(view: View):
    found = by_key(view)
    size = found["size"]  # all are 14.14 pixels
    assert (size.edges[0], size.edges[-1]) == (8, 16)
    assert size.of_class("person").tolist() == [0, 0, 0, 11]
    assert found["aspect"].edges.tolist() == pytest.approx([0.5 * 2 ** (n / 4) for n in range(5)])
    assert found["aspect"].of_class("person").tolist() == [11, 0, 0, 0]
    assert found["visibility"].of_class("person").tolist() == [0, 0, 0, 0, 0, 4, 0, 0, 0, 7]


def test_speed_and_track_length(view: View):
    found = by_key(view)
    speed, length = found["speed"], found["track_length"]
    assert speed.edges.tolist() == pytest.approx(np.arange(26) * 0.2)
    assert np.flatnonzero(speed.of_class("person")).tolist() == [0, 24]
    assert speed.of_class("person")[[0, 24]].tolist() == [3, 5]
    assert length.edges[1] == pytest.approx(0.02)
    assert length.counts["person", "train"].sum() == 2
    assert length.counts["person", "test"].sum() == 1


def test_bins_are_round_and_hold_everything():
    values = np.concatenate([np.linspace(0, 3, 1000), [50.0]])
    edges = stats.linear(values)
    assert (edges[1], edges[-1]) == (0.1, pytest.approx(3.0))
    assert stats.octaves(np.array([3.0, 100.0]))[[0, -1]].tolist() == [2, 128]
    assert stats.octaves(np.array([16.0]))[[0, -1]].tolist() == [16, 32]
    assert stats.whole(np.array([0, 95])).tolist()[:2] == [-0.5, 3.5]


def test_what_lies_behind_the_end_is_counted_in_the_last_bin():
    boxes = [row(n, 1, 0 if n % 2 else 0.1, 0, 10, 20) for n in range(1, 200)]
    boxes[100] = row(101, 1, 50, 0, 10, 20)
    write_source({"a": ("train", 199, boxes)})
    found = by_key(source_view("tiny", params()))["speed"]
    assert found.above == 2
    assert found.of_class("person").sum() == 198
    assert found.of_class("person")[-1] >= 2


@pytest.mark.parametrize(
    ("key", "said"),
    [("speed", "single images"), ("track_length", "single images"), ("visibility", "does not say")],
)
def test_single_images_say_why_a_panel_is_empty(key: str, said: str):
    write_source({name: ("train", 1, walker(range(1, 2))) for name in "abc"})
    view = source_view("tiny", params())
    found = by_key(view)
    assert said in found[key].empty
    assert not [r for r in stats.statistics_table(view, stats.histograms(view)) if r["panel"] == key]
    assert found["size"].of_class("person").sum() == 3


def test_nothing_to_be_found_at_all():
    write_source({"a": ("train", 2, [row(1, 0, 0, 0, 9, 9, label=13)])})
    view = source_view("tiny", params())
    assert {key: bool(found.empty) for key, found in by_key(view).items()} == {
        "boxes_per_frame": False,
        **dict.fromkeys(("size", "aspect", "visibility", "speed", "track_length"), True),
    }


def test_classes_with_their_own_names_and_an_empty_one(view: View):
    assert stats.class_counts(view) == [
        {"class": "person", "native": "pedestrian", "part": "train", "count": 10},
        {"class": "person", "native": "pedestrian", "part": "test", "count": 1},
        {"class": "car", "native": "", "part": "train", "count": 0},
        {"class": "car", "native": "", "part": "test", "count": 0},
        {"class": "region", "native": "crowd", "part": "train", "count": 1},
    ]
    assert stats.counts_by_part(view) == {"person": [10, 1], "car": [0, 0], "region": [1, 0]}


def test_positions():
    boxes = [row(1, 1, -6, -6, 12, 12), row(2, 1, 30, 22, 4, 4), row(3, 1, 60, 44, 30, 30)]  # a corner, the middle, out
    write_source({"a": ("train", 3, boxes)})
    grids = stats.positions(source_view("tiny", params()))
    grid = grids["person"]
    assert grid.shape == (24, 32)
    assert list(zip(*np.nonzero(grid), strict=True)) == [(0, 0), (12, 16), (23, 31)]
    assert list(grids) == ["person", "car"]
    assert stats.positions_table(grids)[1] == {"class": "person", "x": 0.5156, "y": 0.5208, "count": 1}


def test_summary(view: View):
    table = stats.summary_table(view)
    facts = {(r["quantity"], r.get("part")): r["count"] for r in table if "part" in r}
    assert facts["frames", "train"] == 6
    assert facts["duration", "test"] == 0.2
    rows = {(r["quantity"], r.get("class")): r for r in table}
    assert rows["tracks", "person"]["count"] == 3
    assert rows["speed", "person"]["mean"] == pytest.approx(25 / 8)
    assert rows["box shape", "person"]["median"] == 0.5
    assert rows["speed", "car"] == {"quantity": "speed", "unit": "box widths per second", "class": "car", "count": 0}
