"""stages/tracking/inputs.py: what trackers refuse, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tracking_scenes import ALL, BY_APPEARANCE, arrays, busy, looks, make

from stages.errors import InputError
from stages.tracking.inputs import usable_rows
from stages.tracking.sequence import track_sequence

TABLE = busy(12)
LOOKS = looks(TABLE)
GIVEN = replace(arrays(TABLE, LOOKS, length=12), name="street/one")


def changed(row: int, column: int, value: float) -> np.ndarray:
    table = TABLE.copy()
    table[row, column] = value
    return table


@pytest.mark.parametrize(
    "part,said",
    [
        ({"detections": changed(3, 1, np.nan)}, r"detections hold numbers that are not finite \(row 3\)"),
        ({"detections": changed(4, 5, np.inf)}, r"detections hold numbers that are not finite \(row 4\)"),
        ({"detections": changed(5, 0, 13)}, r"detections outside frames 1 to 12 \(row 5\)"),
        ({"detections": changed(5, 0, 0)}, r"detections outside frames 1 to 12 \(row 5\)"),
        ({"detections": changed(6, 6, 2)}, r"detections of a class outside 0 to 1 \(row 6\)"),
        ({"detections": changed(6, 6, 0.5)}, r"detections of a class outside 0 to 1 \(row 6\)"),
        ({"detections": changed(7, 5, 1.5)}, r"detections with a score outside 0 to 1 \(row 7\)"),
        ({"embeddings": None}, "`botsort` tracks by appearance, and there are no embeddings"),
        ({"embeddings": LOOKS[:-1]}, r"embeddings \(\d+, 32\) do not fit \d+ detections"),
        ({"embeddings": LOOKS[:, 0]}, r"embeddings \(\d+,\) do not fit \d+ detections"),
        ({"embeddings": LOOKS * np.nan}, "embeddings that are not finite"),
        ({"warps": None}, "`botsort` compensates for camera motion, and none is stored"),
        ({"warps": GIVEN.warps[:-1]}, r"camera motion \(11, 2, 3\) is not finite or does not fit 12 frames"),
        ({"warps": GIVEN.warps * np.nan}, r"camera motion \(12, 2, 3\) is not finite or does not fit 12 frames"),
    ],
)
def test_what_does_not_fit_is_named(part, said):
    with pytest.raises(InputError, match=rf"^street/one: {said}: .*run `dvc repro`$"):
        track_sequence(replace(GIVEN, **part), make("botsort"), 2)


def test_what_a_tracker_does_not_use_is_not_asked_for():
    bare = replace(GIVEN, embeddings=None, warps=None)
    assert len(track_sequence(bare, make("bytetrack"), 2))
    assert len(track_sequence(bare, make("botsort", reid=None, use_cmc=False), 2))


@pytest.mark.parametrize("kind", BY_APPEARANCE)
def test_a_box_without_a_look_is_tracked_by_its_place(kind):
    """One walker, whom the embedder sees nothing of in some frames; and one whom it never sees."""
    frames = np.arange(1, 13.0)
    table = np.array([[f, left + f, 50, left + 30 + f, 110, 0.9, 0] for left in (50, 200) for f in frames])
    embeddings = np.zeros((24, 32), np.float32)
    embeddings[:12, 3] = frames % 4 != 0
    stored = arrays(table, embeddings, length=12)
    tracks = track_sequence(stored, make(kind), 1)
    assert np.isfinite(tracks).all()
    if kind == "occluboost":  # lets go for a frame of one who looks the other way round
        assert len(tracks) >= 20 and set(tracks[:, 1]) <= {1, 2, 3}
    else:
        assert [(tracks[:, 0] == frame).sum() for frame in frames[4:]] == [2] * 8 and set(tracks[:, 1]) == {1, 2}
    assert np.array_equal(track_sequence(stored, make(kind), 1), tracks)
    assert not embeddings[12:].any()  # what was given stays as it is


def test_looks_are_passed_on_as_they_are():
    blank = LOOKS.copy()
    blank[[2, 5]] = 0
    rows = usable_rows(replace(GIVEN, embeddings=blank), make("botsort"), 2)
    assert np.linalg.norm(rows.embeddings, axis=1) == pytest.approx(1)
    assert (rows.embeddings == LOOKS).all(axis=1).sum() == len(LOOKS) - 2
    assert abs(rows.embeddings[2] @ rows.embeddings[5]) < 0.5


@pytest.mark.parametrize("kind", ALL)
def test_boxes_without_area_are_left_out(kind):
    embeddings = LOOKS if kind in BY_APPEARANCE else None
    # A line, a box turned inside out, and one too thin for a single float.
    thin = np.array([[2, 50, 50, 50, 90, 0.9, 0], [3, 90, 90, 50, 120, 0.9, 1], [4, 3e7, 5, 3e7 + 1, 9, 0.9, 0]])
    table = np.concatenate([thin[:2], TABLE, thin[2:]])
    wide = None if embeddings is None else np.concatenate([embeddings[:2], embeddings, embeddings[:1]])
    plain = track_sequence(replace(GIVEN, embeddings=embeddings), make(kind), 2)
    assert np.array_equal(track_sequence(replace(GIVEN, detections=table, embeddings=wide), make(kind), 2), plain)


def test_nothing_but_boxes_without_area():
    table = np.array([[2, 50, 50, 50, 90, 0.9, 0]])
    assert track_sequence(replace(GIVEN, detections=table, embeddings=LOOKS[:1]), make("hybridsort"), 2).shape == (0, 8)


def test_scores_stay_within_0_and_1():
    # BoostTrack's boost passes 1 with such a coefficient, which BoxMOT's public call refuses.
    table = np.array([[f, 50, 50, 80, 110, 0.9, 0] for f in range(1, 13)], float)
    tracker = make("boosttrack", dlo_boost_coef=2.0, use_sb=False, use_vt=False, use_rich_s=False, reid=None)
    tracks = track_sequence(replace(GIVEN, detections=table), tracker, 1)
    assert tracks[:, 6].max() == 1.0
