"""stages/tracking/sequence.py: ids that last, per class, in seconds; no frame, network or state."""

from __future__ import annotations

import multiprocessing
import socket
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import boxmot
import numpy as np
import pytest
from tracking_scenes import ALL, BY_APPEARANCE, arrays, busy, detections, looks, make

from stages.sequences.archive import Sequence
from stages.tracking.sequence import CLASS, FRAME, HEIGHT, ID, LEFT, SCORE, TOP, WIDTH, track_sequence

CROWD = busy(40)
BOOST = {"boosttrack": 0.06, "occluboost": 0.06}  # which raise the scores of boxes that tracks lead to expect
kinds = pytest.mark.parametrize("kind", ALL)


def track(table: np.ndarray, kind: str, *, fps: float = 10, length: int = 60, warps=None, **options) -> np.ndarray:
    """Two classes of detections, by appearance where the tracker can; each class has a look."""
    embeddings = looks(table) if kind in BY_APPEARANCE and options.get("reid", "looks") else None
    given = arrays(table, embeddings, warps, fps=fps, length=length)
    return track_sequence(given, make(kind, **options), 2)


@pytest.fixture(scope="module")
def default() -> Callable[[str], np.ndarray]:
    """The crowd's tracks by one kind of tracker with BoxMOT's defaults."""
    return cache(lambda kind: track(CROWD, kind))


def ids(tracks: np.ndarray, label: int | None = None) -> set[float]:
    return set(tracks[:, ID] if label is None else tracks[tracks[:, CLASS] == label, ID])


@kinds
def test_ids_last_over_a_crossing(kind):
    # Two boxes that pass each other at different heights, overlapping half-way.
    table = detections(60, lambda f: [(20 + 4 * f, 60, 24, 48, 0.9, 0), (260 - 4 * f, 76, 24, 48, 0.9, 1)])
    tracks = track(table, kind)
    assert ids(tracks) == {1, 2}
    for number in (1, 2):
        left = tracks[tracks[:, ID] == number, LEFT]
        steps = np.sign(np.diff(left))
        assert (steps == steps[0]).all(), "a track turned round: the ids were swapped"


@kinds
@pytest.mark.parametrize(
    "fps,step,lasting", [(5, 5, True), (5, 6, False), (10, 10, True), (10, 11, False), (30, 30, True)]
)
def test_max_gap_is_in_seconds_and_exact(kind, fps, step, lasting):
    # ``step`` is from the last box before the gap to the first behind it.
    table = detections(16 + step, lambda f: [] if 8 < f < 8 + step else [(100, 50, 20, 40, 0.9, 0)])
    tracks = track(table, kind, fps=fps, length=16 + step, max_gap=1.0)
    assert len(ids(tracks)) == (1 if lasting else 2)


@kinds
def test_one_frame_more_than_max_gap_is_too_much_at_30_frames_a_second(kind):
    table = detections(47, lambda f: [] if 8 < f < 39 else [(100, 50, 20, 40, 0.9, 0)])
    assert len(ids(track(table, kind, fps=30, length=47, max_gap=1.0))) == 2


@kinds
def test_a_max_gap_below_a_frame_links_neighbours_alone(kind):
    table = detections(30, lambda f: [] if f == 15 else [(100, 50, 20, 40, 0.9, 0)])
    assert len(ids(track(table, kind, max_gap=0.001, length=30))) == 2


@kinds
def test_a_track_found_again_late_may_be_lost_again(kind):
    # BoxMOT's ByteTrack and BoT-SORT forget a track at its second gap if the first was about as long as allowed.
    gaps = [*range(16, 25), *range(36, 45)]  # each one second from box to box
    table = detections(60, lambda f: [] if f in gaps else [(100, 50, 20, 40, 0.9, 0)])
    assert len(ids(track(table, kind, max_gap=1.0))) == 1


def test_max_gap_of_tracks_lost_in_the_margins():
    # A box at the left border is gone for half a second.
    table = detections(40, lambda f: [] if 10 < f < 15 else [(4, 50, 20, 40, 0.9, 0)])
    settings = {"length": 40, "max_gap": 1.0, "horizontal_margin": 30.0}
    assert len(ids(track(table, "sfsort", **settings))) == 1
    assert len(ids(track(table, "sfsort", **settings, marginal_gap_seconds=0.4))) == 2
    assert len(ids(track(table, "sfsort", **settings, marginal_gap_seconds=0.5))) == 1


def test_global_association_finds_a_track_behind_max_gap():
    table = detections(60, lambda f: [] if 20 < f < 40 else [(100, 50, 20, 40, 0.9, 0)])
    settings = {"max_gap": 0.5, "gta_enabled": True, "gta_max_gap_seconds": 3.0, "gta_min_track_seconds": 0.5}
    assert len(ids(track(table, "occluboost", max_gap=0.5))) == 2
    assert len(ids(track(table, "occluboost", **settings))) == 1
    filled = track(table, "occluboost", **settings, gta_interpolate=True, gta_smooth_tau=0.0)
    # From the frame after the track was given up (unseen for max_gap) to the one before it was
    # found again; in that one BoxMOT waits for a second detection.
    assert sorted(set(range(1, 61)) - set(filled[:, FRAME])) == [21, 22, 23, 24, 25, 40]
    assert np.allclose(filled[:, [LEFT, TOP, WIDTH, HEIGHT]], [100, 50, 20, 40], atol=0.5)


@kinds
def test_overlapping_objects_of_two_classes_do_not_swap(kind):
    # A person before a car, the same place and nearly the same box; each is missed while the other is seen.
    def boxes(frame: int):
        if frame % 7:
            yield 100 + frame, 60, 40, 50, 0.9, 0
        if frame % 5:
            yield 102 + frame, 61, 40, 50, 0.85, 1

    tracks = track(detections(60, boxes), kind)
    assert len(ids(tracks, 0)) == 1
    assert len(ids(tracks, 1)) == 1
    assert not ids(tracks, 0) & ids(tracks, 1)
    assert np.allclose(tracks[tracks[:, CLASS] == 1, SCORE], 0.85, atol=BOOST.get(kind, 1e-6))


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "strongsort"])
def test_one_tracker_for_all_classes_keeps_an_object_whose_class_flickers(kind):
    table = detections(40, lambda f: [(100 + f, 60, 40, 50, 0.9, int(f % 10 == 0))])
    apart = track(table, kind, length=40, reid=None)
    together = track(table, kind, length=40, reid=None, per_class=False)
    assert len(ids(together)) == 1
    assert len(ids(together, 0)) == 1
    assert len(ids(apart, 0)) == 1
    assert not ids(apart, 0) & ids(apart, 1)


@kinds
def test_numbers_by_appearance_and_sorts(kind, default):
    tracks = default(kind)
    _, first = np.unique(tracks[:, ID], return_index=True)
    assert sorted(ids(tracks)) == list(range(1, len(first) + 1))
    assert (np.diff(tracks[np.sort(first), FRAME]) >= 0).all()
    keys = tracks[:, FRAME] * 1e6 + tracks[:, ID]
    assert (np.diff(keys) > 0).all()
    assert all(len(set(tracks[tracks[:, ID] == number, CLASS])) == 1 for number in ids(tracks))


@kinds
def test_boxes_follow_the_detections(kind):
    table = detections(60, lambda f: [(100, 50, 20, 40, 0.9, 1)])
    tracks = track(table, kind)
    late = 3 if kind == "strongsort" else 1  # which confirms a track at its third detection
    assert set(tracks[:, FRAME]) == set(range(late, 61))
    assert np.allclose(tracks[:, [LEFT, TOP, WIDTH, HEIGHT]], [100, 50, 20, 40], atol=0.01)
    assert np.allclose(tracks[:, SCORE], 0.9, atol=BOOST.get(kind, 1e-6))


@kinds
def test_no_detections_no_tracks(kind):
    assert track(np.empty((0, 7)), kind).shape == (0, 8)
    assert track(np.empty((0, 7)), kind, length=0).shape == (0, 8)


@kinds
def test_one_class_absent(kind):
    table = detections(20, lambda f: [(100, 50, 20, 40, 0.9, 1)])
    assert ids(track(table, kind, length=20)) == {1}


@kinds
def test_a_sequence_does_not_depend_on_the_one_before(kind, default):
    alone = default(kind)
    track(busy(20, seed=1), kind)
    assert np.array_equal(track(CROWD, kind), alone)


def _checksum(kind: str) -> int:
    return zlib.crc32(track(CROWD, kind).tobytes())


def test_every_process_gives_the_same(default):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        sums = pool.map(_checksum, ALL)
    assert sums == [zlib.crc32(default(kind).tobytes()) for kind in ALL]


def test_the_order_of_detections_of_different_frames_does_not_matter():
    shuffled = CROWD[np.argsort(np.random.default_rng(0).permutation(40)[CROWD[:, 0].astype(int) - 1], kind="stable")]
    assert not np.array_equal(shuffled, CROWD)
    for kind in ("bytetrack", "ocsort", "sfsort"):
        assert np.array_equal(track(shuffled, kind), track(CROWD, kind))


def test_no_frame_is_read(monkeypatch):
    def refuse(*_):
        raise AssertionError("a frame was read")

    monkeypatch.setattr(Sequence, "frame", refuse)
    for kind in ALL:
        track(CROWD[:60], kind)


@pytest.mark.parametrize("kind", ["botsort", "strongsort", "deepocsort", "hybridsort", "boosttrack", "occluboost"])
def test_camera_motion_is_compensated(kind):
    # The camera jerks: boxes that stand still in the world leap by more than their width at once.
    jump, places = 40, [(x, y) for x in (120, 220, 300) for y in (10, 130)]
    table = detections(40, lambda f: [(x - (jump if f > 20 else 0), y, 30, 60, 0.9, 0) for x, y in places])
    warps = np.tile(np.eye(2, 3), (40, 1, 1))
    settings = {"length": 40, "reid": None, "asso_func": "iou"}
    if kind == "strongsort":
        settings |= {"reid": "looks", "max_cos_dist": 0.001}
    assert len(ids(track(table, kind, warps=warps, **settings))) == 12
    warps[20, 0, 2] = -jump
    assert len(ids(track(table, kind, warps=warps, **settings))) == 6


@kinds
def test_nothing_is_fetched_or_written(kind, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = Path(boxmot.__file__).parent.parent
    before = {path.name for path in folder.iterdir()}
    track(CROWD, kind)
    assert {path.name for path in folder.iterdir()} == before
