"""Speeds, tracks and rows against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.exploring.views import mixture_view, rows_of, source_view, speeds
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from tests.exploring_data import clip, manifest, params, row, walker, write_source


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def speed_of(rows: list[tuple], fps: float = 10, purpose: int = 0) -> list[float]:
    gt = np.array(rows, dtype=float)
    return speeds(gt, np.full(len(gt), purpose), fps).tolist()


@pytest.mark.parametrize(
    ("rows", "fps", "expected"),
    [
        (walker(range(1, 4)), 10, [np.nan, 5, 5]),  # 5 px a frame, 10 frames a second, 10 px wide
        (walker(range(1, 4)), 20, [np.nan, 10, 10]),
        (walker(range(1, 4), step=0), 10, [np.nan, 0, 0]),
        ([row(1, 1, 0, 0, 10, 20), row(5, 1, 20, 0, 10, 20)], 10, [np.nan, 5]),  # a gap counts by its time
        ([row(1, 1, 0, 0, 10, 20), row(2, 1, 0, 0, 30, 20)], 10, [np.nan, 5]),  # the centre moves 10, mean width 20
        ([row(1, 1, 0, 0, 10, 20), row(2, 1, 3, 4, 10, 20)], 10, [np.nan, 5]),  # 3, 4: 5 pixels
        ([row(1, 1, 0, 0, 10, 20), row(2, 2, 9, 9, 10, 20)], 10, [np.nan, np.nan]),  # two objects
        ([row(2, 1, 5, 0, 10, 20), row(1, 1, 0, 0, 10, 20)], 10, [5, np.nan]),  # in any order
    ],
)
def test_speed_in_box_widths_a_second(rows: list[tuple], fps: float, expected: list[float]):
    assert speed_of(rows, fps) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("purpose", [DISTRACTOR, REGION, DROP])
def test_only_targets_have_a_speed(purpose: int):
    assert np.isnan(speed_of(walker(range(1, 4)), purpose=purpose)).all()


def test_rows_of_frames_that_repeat_or_show_nothing():
    rows, which = rows_of(np.array([1, 1, 3, 3, 3, 7]), np.array([1, 2, 3, 3]))
    assert rows.tolist() == [0, 1, 2, 3, 4, 2, 3, 4]
    assert which.tolist() == [0, 0, 2, 2, 2, 3, 3, 3]


def test_a_source():
    boxes = [*walker(range(1, 6)), *walker(range(2, 4), 2, label=3, visibility=0.5), row(1, 0, 0, 0, 9, 9, label=13)]
    del boxes[2]  # frame 3 of track 1
    write_source({"a": ("train", 6, boxes), "b": ("test", 4, walker(range(1, 2)))})
    view = source_view("tiny", params())
    assert (view.parts, view.classes, view.natives) == (
        ("train", "test"),
        ("person", "car"),
        ("pedestrian", "car", "crowd"),
    )
    assert view.frame_part.tolist() == [0] * 6 + [1] * 4
    assert view.boxes.frame.tolist() == [0, 0, 1, 1, 2, 3, 4, 6]
    assert view.boxes.purpose.tolist() == [0, REGION, 0, 1, 1, 0, 0, 0]
    assert view.boxes.native.tolist() == [0, 2, 0, 1, 1, 0, 0, 0]
    assert view.boxes.size[0] == pytest.approx(200**0.5)
    assert view.boxes.aspect[0] == 0.5
    assert view.boxes.centre[0].tolist() == [7 / 64, 20 / 48]
    assert view.tracks.seconds.tolist() == [0.5, 0.2, 0.1]
    assert view.tracks.gaps.tolist() == [True, False, False]
    assert view.tracks.purpose.tolist() == [0, 1, 0]
    assert view.shape() == 48 / 64


def test_a_mixture_counts_a_frame_as_often_as_clips_show_it():
    boxes = [*walker(range(1, 7)), *walker(range(5, 7), 2, label=3)]
    write_source({"a": ("train", 6, boxes), "b": ("train", 6, walker(range(1, 3)))})
    clips = [clip("a", 2, 4), clip("a", 4), clip("b", 3)]
    view = mixture_view("stage1", manifest(), clips)
    assert view.parts == ("tiny",)
    assert view.boxes.frame.tolist() == [0, 1, 2]
    assert len(view.frame_part) == 4
    assert view.boxes.speed.tolist() == [5, 5, 5]  # of the whole track, not of the few frames
    assert view.tracks.seconds.tolist() == [0.6]  # track 2 is in no clip
    assert view.clips == tuple(clips)


def test_targets_too_little_visible_are_no_targets_of_a_mixture():
    write_source({"a": ("train", 2, walker(range(1, 3), visibility=0.4))})
    view = mixture_view("stage1", manifest(min_visibility=0.5), [clip("a", 1)])
    assert view.boxes.purpose.tolist() == [DISTRACTOR]
    assert len(view.tracks.seconds) == 0


def test_an_unknown_visibility_is_not_too_little():
    write_source({"a": ("train", 2, walker(range(1, 3), visibility=-1))})
    view = mixture_view("stage1", manifest(min_visibility=0.5), [clip("a", 1)])
    assert view.boxes.purpose.tolist() == [0]


def test_single_images_have_no_tracks_and_no_speed():
    write_source({name: ("train", 1, walker(range(1, 2))) for name in "abc"})
    view = source_view("tiny", params())
    assert len(view.boxes.frame) == 3
    assert np.isnan(view.boxes.speed).all()
    assert len(view.tracks.seconds) == 0


def test_an_image_without_boxes():
    write_source({"a": ("train", 1, []), "b": ("train", 1, walker(range(1, 2)))})
    view = source_view("tiny", params())
    assert view.boxes.frame.tolist() == [1]


def test_a_source_that_is_absent():
    with pytest.raises(InputError, match=r"tiny/index\.csv: no such index: run `dvc repro download@tiny`"):
        source_view("tiny", params())
    write_source({})
    with pytest.raises(InputError, match=r"tiny/index\.csv: lists no sequence"):
        source_view("tiny", params())
