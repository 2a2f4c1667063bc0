"""stages/tracking/sequence.py: ids that last, per class, in seconds; no network and no state between sequences."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

import boxmot
import numpy as np
import pytest
from tracking_scenes import busy, detections, scene

from stages.errors import InputError
from stages.params.trackers import BotSort, ByteTrack, OcSort
from stages.sequences.archive import Sequence
from stages.tracking.sequence import (
    CLASS,
    FRAME,
    HEIGHT,
    ID,
    LEFT,
    SCORE,
    TOP,
    WIDTH,
    track_sequence,
    track_sequences,
)

CROWD = busy(60)
KINDS = {"bytetrack": ByteTrack, "ocsort": OcSort, "botsort": BotSort}
kinds = pytest.mark.parametrize("kind", KINDS)

# For each tracker, a value for every option that is not its default; `with` are others that it needs to act.
OPTIONS = [
    ("bytetrack", "max_gap", 0.3, {}),
    ("bytetrack", "min_conf", 0.3, {}),
    ("bytetrack", "track_thresh", 0.4, {}),
    ("bytetrack", "match_thresh", 0.5, {}),
    ("bytetrack", "asso_func", "giou", {}),
    ("ocsort", "max_gap", 0.3, {}),
    ("ocsort", "min_conf", 0.4, {"use_byte": True}),
    ("ocsort", "det_thresh", 0.3, {}),
    ("ocsort", "min_hits", 1, {}),
    ("ocsort", "delta_t", 1, {}),
    ("ocsort", "asso_func", "giou", {}),
    ("ocsort", "use_byte", True, {}),
    ("ocsort", "inertia", 0.9, {}),
    ("botsort", "max_gap", 0.3, {}),
    ("botsort", "track_high_thresh", 0.4, {}),
    ("botsort", "track_low_thresh", 0.4, {}),
    ("botsort", "new_track_thresh", 0.9, {}),
    ("botsort", "match_thresh", 0.4, {}),
    ("botsort", "second_match_thresh", 0.8, {}),
    ("botsort", "unconfirmed_match_thresh", 0.9, {}),
    ("botsort", "asso_func", "centroid", {}),
    ("botsort", "fuse_first_associate", False, {}),
    ("botsort", "use_cmc", False, {}),
    ("botsort", "cmc_method", "ecc", {}),
]


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Sequence:
    return scene(tmp_path_factory.mktemp("scene") / "pan.zip", pan=3)


@pytest.fixture(scope="module")
def still(tmp_path_factory) -> dict[float, Sequence]:
    folder = tmp_path_factory.mktemp("still")
    return {fps: scene(folder / f"still{fps}.zip", fps=fps) for fps in (5, 10)}


@pytest.fixture(scope="module")
def default(street) -> Callable[[str], np.ndarray]:
    """The crowd's tracks by one kind of tracker with BoxMOT's defaults."""
    return cache(lambda kind: track(street, CROWD, kind))


def track(sequence: Sequence, table: np.ndarray, kind: str, **options) -> np.ndarray:
    return track_sequence(sequence, table, KINDS[kind](type=kind, **options), 2)


def ids(tracks: np.ndarray, label: int | None = None) -> set[float]:
    return set(tracks[:, ID] if label is None else tracks[tracks[:, CLASS] == label, ID])


@kinds
def test_ids_last_over_a_crossing(kind, still):
    # Two boxes that pass each other at different heights, overlapping half-way.
    table = detections(60, lambda f: [(20 + 4 * f, 60, 24, 48, 0.9, 0), (260 - 4 * f, 72, 24, 48, 0.9, 0)])
    tracks = track(still[10], table, kind)
    assert ids(tracks) == {1, 2}
    for number in (1, 2):
        left = tracks[tracks[:, ID] == number, LEFT]
        steps = np.sign(np.diff(left))
        assert (steps == steps[0]).all(), "a track turned round: the ids were swapped"


@kinds
@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize("seconds,lasting", [(0.8, True), (1.0, True), (1.2, False), (1.6, False)])
def test_max_gap_is_in_seconds_and_exact(kind, fps, seconds, lasting, still):
    step = round(seconds * fps)  # frames from the last box before the gap to the first behind it
    table = detections(60, lambda f: [] if 20 < f < 20 + step else [(100, 50, 20, 40, 0.9, 0)])
    assert len(ids(track(still[fps], table, kind, max_gap=1.0))) == (1 if lasting else 2)


@kinds
def test_a_track_found_again_late_may_be_lost_again(kind, still):
    # BoxMOT's ByteTrack and BoT-SORT forget a track at its second gap if the first was about as long as allowed.
    gaps = [*range(16, 25), *range(36, 45)]  # each one second from box to box
    table = detections(60, lambda f: [] if f in gaps else [(100, 50, 20, 40, 0.9, 0)])
    assert len(ids(track(still[10], table, kind, max_gap=1.0))) == 1


@kinds
def test_overlapping_objects_of_two_classes_do_not_swap(kind, still):
    # A person before a car, the same place and nearly the same box; each is missed while the other is seen.
    def boxes(frame: int):
        if frame % 7:
            yield 100 + frame, 60, 40, 50, 0.9, 0
        if frame % 5:
            yield 102 + frame, 61, 40, 50, 0.85, 1

    tracks = track(still[10], detections(60, boxes), kind)
    assert len(ids(tracks, 0)) == 1
    assert len(ids(tracks, 1)) == 1
    assert not ids(tracks, 0) & ids(tracks, 1)
    assert np.allclose(tracks[tracks[:, CLASS] == 1, SCORE], 0.85)


@kinds
def test_numbers_by_appearance_and_sorts(kind, default):
    tracks = default(kind)
    _, first = np.unique(tracks[:, ID], return_index=True)
    assert sorted(ids(tracks)) == list(range(1, len(first) + 1))
    assert (np.diff(tracks[np.sort(first), FRAME]) >= 0).all()
    assert (np.diff(tracks[:, FRAME]) >= 0).all()
    keys = tracks[:, FRAME] * 1e6 + tracks[:, ID]
    assert (np.diff(keys) > 0).all()
    assert all(len(set(tracks[tracks[:, ID] == number, CLASS])) == 1 for number in ids(tracks))


@kinds
def test_boxes_follow_the_detections(kind, still):
    table = detections(60, lambda f: [(100, 50, 20, 40, 0.9, 1)])
    tracks = track(still[10], table, kind)
    assert set(tracks[:, FRAME]) == set(range(1, 61))
    assert np.allclose(tracks[:, [LEFT, TOP, WIDTH, HEIGHT]], [100, 50, 20, 40], atol=0.01)
    assert np.allclose(tracks[:, SCORE], 0.9)


@kinds
def test_no_detections_no_tracks(kind, street):
    tracks = track(street, np.empty((0, 7)), kind)
    assert tracks.shape == (0, 8)
    assert len(tracks) == 0


@kinds
def test_a_sequence_does_not_depend_on_the_one_before(kind, street, still, default):
    alone = default(kind)
    track(still[10], busy(60, seed=1), kind)
    assert np.array_equal(track(street, CROWD, kind), alone)


@kinds
def test_many_at_a_time_give_what_one_at_a_time_gives(kind, street, still):
    jobs = [(street, CROWD), (still[10], busy(60, seed=1)), (street, busy(60, seed=2))]
    tracker = KINDS[kind](type=kind)
    together = track_sequences(jobs, tracker, 2)
    for (sequence, table), tracks in zip(jobs, together, strict=True):
        assert np.array_equal(track_sequence(sequence, table, tracker, 2), tracks)


def test_an_unreadable_frame_is_named_from_another_process(tmp_path):
    jobs = [(scene(tmp_path / f"{name}.zip", length=5), np.empty((0, 7))) for name in ("one", "two")]
    path = tmp_path / "two.zip"
    content = path.read_bytes()
    at = content.index(b"PNG")
    path.write_bytes(content[:at] + b"XXX" + content[at + 3 :])
    with pytest.raises(InputError, match=r"two\.zip"):
        track_sequences(jobs, BotSort(type="botsort"), 2)


@pytest.mark.parametrize("kind,option,value,others", OPTIONS, ids=[f"{k}-{o}" for k, o, _, _ in OPTIONS])
def test_every_option_acts(kind, option, value, others, street, default):
    before = default(kind) if not others else track(street, CROWD, kind, **others)
    after = track(street, CROWD, kind, **others, **{option: value})
    assert before.shape != after.shape or not np.array_equal(before, after)


def test_every_option_is_tried():
    for kind, model in KINDS.items():
        assert {name for k, name, _, _ in OPTIONS if k == kind} == set(model.model_fields) - {"type"}


def test_only_camera_motion_reads_frames(street, monkeypatch):
    read: list[int] = []
    monkeypatch.setattr(Sequence, "frame", lambda self, n: read.append(n) or np.zeros((192, 320, 3), np.uint8))
    for kind, options in (("bytetrack", {"asso_func": "centroid"}), ("ocsort", {}), ("botsort", {"use_cmc": False})):
        track(street, CROWD, kind, **options)
    assert read == []
    track(street, CROWD, "botsort")
    assert read == list(range(1, 61))  # each once, whatever the number of classes


def test_camera_motion_is_compensated(tmp_path):
    # The camera jerks: boxes that stand still in the world leap by more than their width at once.
    sequence, jump = scene(tmp_path / "jerk.zip", size=(640, 480), length=40), 40
    shown = sequence.frame(1)
    sequence.frame = lambda number: np.roll(shown, -jump if number > 20 else 0, axis=1)
    places = [(x, y) for x in (120, 300, 480) for y in (60, 260)]
    table = detections(40, lambda f: [(x - (jump if f > 20 else 0), y, 30, 60, 0.9, 0) for x, y in places])
    assert len(ids(track(sequence, table, "botsort"))) == 6
    assert len(ids(track(sequence, table, "botsort", use_cmc=False))) == 12


@kinds
def test_nothing_is_fetched_or_written(kind, street, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = Path(boxmot.__file__).parent.parent
    packages = [folder, folder / "models", *(p for p in (folder / "boxmot").rglob("*") if p.is_dir())]
    before = {p: sorted(p.iterdir()) for p in packages if p.is_dir() and p.name != "__pycache__"}
    track(street, CROWD, kind)
    assert {p: [q for q in sorted(p.iterdir()) if q.name != "__pycache__"] for p in before} == {
        p: [q for q in files if q.name != "__pycache__"] for p, files in before.items()
    }
    assert not (folder / "models").exists()
