"""stages/tracking/inputs.py: what trackers refuse, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tracking_scenes import ALL, BY_APPEARANCE, arrays, busy, looks, make

from stages.errors import InputError
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
        ({"embeddings": LOOKS * np.nan}, "embeddings that are not finite, or zero throughout"),
        ({"embeddings": LOOKS * 0}, "embeddings that are not finite, or zero throughout"),
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
