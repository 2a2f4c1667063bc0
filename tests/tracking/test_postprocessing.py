"""stages/tracking/postprocessing.py: known motion, with gaps and noise, comes back nearer to what it was."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stages.params.postprocess import Postprocess
from stages.sequences.tracks import repeated
from stages.tracking import postprocessing
from stages.tracking.postprocessing import postprocess, smooth

FILL = Postprocess(max_gap=1.0)


def walk(frames: np.ndarray, track: int = 1, label: int = 0) -> np.ndarray:
    """A box that moves evenly and grows: (n, 8)."""
    return np.column_stack(
        [
            frames,
            np.full(len(frames), track),
            100 + 3 * frames,
            50 - 0.5 * frames,
            20 + 0.25 * frames,
            40 + 0.5 * frames,
            0.9 - 0.01 * frames,
            np.full(len(frames), label),
        ]
    ).astype(float)


def curve(frames: np.ndarray, period: float) -> np.ndarray:
    """A person who sways with ``period`` frames while walking: (n, 8)."""
    rows = walk(frames)
    rows[:, 2] += 30 * np.sin(2 * np.pi * frames / period)
    rows[:, 4:6] = 30, 60
    return rows


def noisy(rows: np.ndarray, sd: float = 2.0) -> np.ndarray:
    """The boxes shaken by ``sd`` pixels."""
    shaken = rows.copy()
    shaken[:, 2:6] += np.random.default_rng(0).normal(0, sd, (len(rows), 4))
    return shaken


def error(rows: np.ndarray, truth: np.ndarray) -> float:
    """The root mean square of the boxes' errors in pixels."""
    return float(np.sqrt(np.square(rows[:, 2:6] - truth[:, 2:6]).mean()))


def ordered(*tracks: np.ndarray) -> np.ndarray:
    rows = np.concatenate(tracks)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def test_gaps_in_even_motion_are_filled_exactly():
    whole = ordered(walk(np.arange(1, 41)), walk(np.arange(5, 31), track=2, label=1))
    seen = whole[~np.isin(whole[:, 0], [7, 8, 20, 21, 22, 23, 24, 25, 26, 27, 28])]
    filled = postprocess(seen, FILL, fps=10)
    assert np.abs(filled - whole).max() < 1e-9  # the scores too, which fall evenly
    assert np.array_equal(filled[:, [0, 1, 7]], whole[:, [0, 1, 7]])  # these to the bit


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_the_longest_gap_is_a_time(fps):
    """A step of a second, from box to box, is filled; one of a frame more stays."""
    for step, count in ((fps, fps + 1), (fps + 1, 2)):
        rows = walk(np.array([3, 3 + step]))
        assert len(postprocess(rows, FILL, fps)) == count


def test_ends_and_other_tracks_do_not_meet():
    """Two tracks, one behind the other, are not joined; nothing comes before the first box or behind the last."""
    rows = ordered(walk(np.arange(4, 8)), walk(np.arange(10, 14), track=2))
    assert np.array_equal(postprocess(rows, FILL, fps=10), rows)


def test_a_filled_box_has_the_class_of_the_one_before():
    rows = np.concatenate([walk(np.array([1])), walk(np.array([5]), label=3)])
    assert postprocess(rows, FILL, fps=10)[:, 7].tolist() == [0, 0, 0, 0, 3]


@pytest.mark.parametrize("settings", [{"max_gap": 1.0}, {"max_gap": None, "smoothing": 0.5}, {"smoothing": 1}])
@pytest.mark.parametrize("rows", [np.empty((0, 8)), walk(np.array([5])), walk(np.array([5, 6]))])
def test_few_boxes(settings, rows):
    done = postprocess(rows, Postprocess(**settings), fps=10)
    assert done.shape == rows.shape
    assert np.abs(done - rows).max(initial=0) < 0.05


def test_nothing_asked_for_changes_nothing():
    rows = walk(np.array([1, 2, 9]))
    assert np.array_equal(postprocess(rows, Postprocess(max_gap=None), fps=10), rows)


@pytest.mark.parametrize("fps", [10, 30])
def test_smoothing_brings_shaken_boxes_nearer_to_the_truth(fps):
    """By a third of the error at 10 and by a half at 30 frames a second, where there is more to average."""
    truth = curve(np.arange(1, 20 * fps), period=6 * fps)
    settings = Postprocess(max_gap=None, smoothing=0.8)
    done = postprocess(noisy(truth), settings, fps)
    assert error(done, truth) < {10: 0.65, 30: 0.45}[fps] * error(noisy(truth), truth)
    assert np.array_equal(done[:, [0, 1, 6, 7]], truth[:, [0, 1, 6, 7]])


def test_smoothing_leaves_slow_motion_and_takes_fast_shaking():
    """At a length of 8 frames, a sway of 24 frames stays and one of 4 goes."""
    frames = np.arange(1, 241)
    slow, fast = curve(frames, period=24), curve(frames, period=4)
    assert error(smooth(slow, 8), slow) < 0.01
    assert error(smooth(fast, 8)[20:-20], curve(frames, period=1)[20:-20]) < 1  # a sway of whole turns is none


def test_a_long_track_is_smoothed_like_a_short_one():
    """BoxMOT's own length of the kernel falls to nothing there."""
    truth = curve(np.arange(1, 1101), period=80)
    done = postprocess(noisy(truth), Postprocess(smoothing=1.0), fps=10)
    assert error(done[500:600], truth[500:600]) < 0.75 * error(noisy(truth)[500:600], truth[500:600])


def test_pieces_make_the_whole(monkeypatch):
    rows = noisy(curve(np.arange(1, 601), period=80), 3)
    pieces = smooth(rows, 5)
    monkeypatch.setattr(postprocessing, "_KEPT", 1000)
    whole = smooth(rows, 5)
    assert 0 < np.abs(pieces - whole).max() < 0.01


@pytest.mark.parametrize("count,tau", [(100, 10.0), (40, 6.0)])
def test_equals_boxmot_where_its_kernel_has_that_length(count, tau):
    from boxmot.postprocessing.gsi import gaussian_smooth

    rows = noisy(curve(np.arange(1, count + 1), period=50))
    length = tau * np.log(tau**3 / count)
    assert smooth(rows, length) == pytest.approx(
        gaussian_smooth(rows, tau)[:, :8], abs=1e-3
    )  # its sums cancel: 1e-4 already by order


def test_boxes_keep_an_area():
    """A box that shrinks to nothing at once would ring below it."""
    rows = walk(np.arange(1, 41))
    rows[:, 4] = np.where(rows[:, 0] < 20, 80, 0.5)
    done = smooth(rows, 6)
    assert done[:, 4:6].min() > 0
    assert np.array_equal(done[done[:, 4] == 0.5], rows[done[:, 4] == 0.5])


def test_same_bytes_in_any_order():
    track = noisy(curve(np.arange(1, 60), period=20))
    rows = ordered(*(track * np.array([1, number, 1, 1, 1, 1, 1, 1]) for number in (1, 2, 3)))
    settings = Postprocess(smoothing=0.7)
    done = postprocess(rows, settings, fps=10)
    shuffled = rows[np.random.default_rng(1).permutation(len(rows))]
    assert postprocess(shuffled, settings, fps=10).tobytes() == done.tobytes()
    assert not repeated(done[:, 0], done[:, 1]).any()
    assert np.array_equal(done[:, :2], rows[:, :2])


@pytest.mark.parametrize("wrong", [{"max_gap": 0}, {"smoothing": 0}, {"smoothing": 2.5}, {"tau": 10}])
def test_what_is_no_setting(wrong):
    with pytest.raises(ValidationError):
        Postprocess(**wrong)
