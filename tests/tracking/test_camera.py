"""stages/tracking/camera.py and warping.py: BoxMOT's estimators, and its steps by numerical Jacobians."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from boxmot.motion.cmc import create_cmc
from boxmot.trackers.box.botsort.track import STrack
from tracking_scenes import ALL, busy, looks, make, scene

from stages.errors import InputError
from stages.sequences.archive import Sequence
from stages.tracking.camera import estimate_motion
from stages.tracking.options import build_tracker
from stages.tracking.warping import Warp, move_deepocsort, move_hybridsort, move_xyah, move_xywh

TURN = np.deg2rad(4)
WARPS = [
    [[1, 0, 12.5], [0, 1, -3]],
    [[1.05 * np.cos(TURN), -np.sin(TURN), 4], [np.sin(TURN), 1.05 * np.cos(TURN), 9]],
    [[0.9, 0.02, -7], [-0.03, 1.1, 2]],
]
warps = pytest.mark.parametrize("warp", [np.array(warp, np.float64) for warp in WARPS])


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Sequence:
    return scene(tmp_path_factory.mktemp("scene") / "pan.zip", pan=4, length=8)


def frames(sequence: Sequence) -> list[np.ndarray]:
    return [sequence.frame(number) for number in range(1, sequence.info.length + 1)]


@pytest.mark.parametrize("method", ["sof", "ecc"])
def test_motion_is_what_boxmots_estimator_finds_frame_by_frame(method, street):
    table = busy(8)
    found = estimate_motion(frames(street), table[np.argsort(-table[:, 0], kind="stable")], 8, method)
    estimator = create_cmc(method)
    for number, image in enumerate(frames(street), start=1):
        boxes = table[table[:, 0] == number, 1:5].astype(np.float32)
        assert np.array_equal(found[number - 1], estimator.apply(image, boxes))
    assert np.array_equal(found[0], np.eye(2, 3))
    # The camera pans by 4 pixels a frame: what it shows moves to the left.
    assert np.allclose(found[1:], [[1, 0, -4], [0, 1, 0]], atol=0.5)


@pytest.mark.parametrize("method", ["sof", "ecc"])
def test_motion_is_the_same_each_time_and_needs_no_detections(method, street):
    found = [estimate_motion(iter(frames(street)), np.empty((0, 7)), 8, method) for _ in range(2)]
    assert np.array_equal(*found)
    assert np.allclose(found[0][1:, 0, 2], -4, atol=0.5)


def test_motion_where_nothing_can_be_seen_is_none():
    black = [np.zeros((96, 128, 3), np.uint8)] * 3
    for method in ("sof", "ecc"):
        assert np.array_equal(estimate_motion(black, np.empty((0, 7)), 3, method), np.tile(np.eye(2, 3), (3, 1, 1)))


def test_motion_of_no_frames_and_of_too_few(street):
    assert estimate_motion([], np.empty((0, 7)), 0, "sof").shape == (0, 2, 3)
    with pytest.raises(InputError, match=r"frame 4: is missing: the sequence has 8"):
        estimate_motion(frames(street)[:3], busy(8), 8, "ecc")


@warps
def test_bot_sort_moves_as_in_boxmot(warp):
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(3, 8, 8))
    means = np.concatenate([rng.uniform(20, 300, (3, 4)), rng.normal(0, 3, (3, 4))], axis=1)
    states = [(mean, root @ root.T) for mean, root in zip(means, spread, strict=True)]
    ours, theirs = ([SimpleNamespace(mean=m, covariance=c) for m, c in states] for _ in range(2))
    for track in ours:
        move_xywh(track, Warp.of(warp))
    STrack.multi_gmc(theirs, warp)
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one.mean, other.mean, atol=1e-7)
        assert np.allclose(one.covariance, other.covariance, atol=1e-7)


def followed(kind: str) -> list:
    """Tracks of BoxMOT's after a while of tracking a crowd, some of them lost for some frames."""
    table = busy(24)
    table[:, 5] = 0.75 + 0.2 * table[:, 5]
    embeddings = looks(table)
    tracker = build_tracker(make(kind, max_gap=3.0), 10, 320, 192)
    tracker.apply_cmc = lambda *_: None
    for frame in range(1, 25):
        here = table[:, 0] == frame
        tracker._track_detections(table[here, 1:].astype(np.float32), None, embeddings[here])
    tracks = list(tracker.active_tracks)
    assert len(tracks) > 8
    assert any(track.time_since_update > 1 for track in tracks)
    return tracks


def assert_near(ours: object, theirs: object, tolerance: float) -> None:
    """Within ``tolerance`` of the largest number of the two."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert np.abs(ours - theirs).max() <= tolerance * max(1.0, np.abs(theirs).max())


@warps
def test_strongsort_moves_as_in_boxmot(warp):
    for track in followed("strongsort"):
        theirs = deepcopy(track)
        theirs.camera_update(warp)
        move_xyah(track, Warp.of(warp))
        assert_near(track.mean, theirs.mean, 1e-7)
        assert_near(track.covariance, theirs.covariance, 1e-6)


@warps
@pytest.mark.parametrize("kind,move", [("deepocsort", move_deepocsort), ("hybridsort", move_hybridsort)])
def test_observation_centric_trackers_move_as_in_boxmot(kind, move, warp):
    for track in followed(kind):
        theirs = deepcopy(track)
        theirs.camera_update(warp)
        move(track, Warp.of(warp))
        assert_near(track.kf.x, theirs.kf.x, 1e-6)
        assert_near(track.kf.P, theirs.kf.P, 1e-4)  # HybridSORT's Jacobian is a one-sided difference
        assert_near(track.last_observation, theirs.last_observation, 1e-6)
        for age, box in track.observations.items():
            assert_near(box, theirs.observations[age], 1e-6)
        for name in ("velocity", "velocity_lt", "velocity_rt", "velocity_lb", "velocity_rb"):
            if getattr(track, name, None) is not None:
                assert_near(getattr(track, name), getattr(theirs, name), 1e-6)
        last = [[seen for seen in each.kf.history_obs if seen is not None][-1:] for each in (track, theirs)]
        assert_near(*(np.concatenate([*seen, np.zeros((1, 1))]) for seen in last), 1e-5)
        if not track.kf.observed and track.kf.attr_saved:
            assert_near(track.kf.attr_saved["x"], theirs.kf.attr_saved["x"], 1e-6)
            assert_near(track.kf.attr_saved["P"], theirs.kf.attr_saved["P"], 1e-4)


def test_which_trackers_compensate_and_how():
    methods = {kind: make(kind).camera_motion for kind in ALL}
    assert {kind: method for kind, method in methods.items() if method} == {
        "botsort": "sof",
        "strongsort": "ecc",
        "deepocsort": "sof",
        "hybridsort": "ecc",
        "boosttrack": "ecc",
        "occluboost": "sof",
    }
    for kind, method in methods.items():
        built = getattr(build_tracker(make(kind), 10, 320, 192), "cmc", None)
        assert type(built).__name__.lower() == (method or "nonetype")
    assert make("botsort", use_cmc=False).camera_motion is None
    assert make("boosttrack", use_cmc=False).camera_motion is None
    assert make("deepocsort", cmc_off=True).camera_motion is None
    assert make("hybridsort", cmc_method="sof").camera_motion == "sof"
