"""stages/tracking against BoxMOT's own loop: `update(detections, frame)` with its estimator and the same embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from boxmot.structures import Boxes, Detections
from tracking_scenes import ALL, busy, given, looks, make, scene

from stages.sequences.archive import Sequence
from stages.tracking import lean
from stages.tracking.camera import estimate_motion
from stages.tracking.options import boxmot_options, load_defaults
from stages.tracking.sequence import CLASS, FRAME, HEIGHT, ID, LEFT, SCORE, TOP, WIDTH, track_sequence

LENGTH = 28
# How far boxes may be from BoxMOT's, in pixels, where it warps states by numerical Jacobians; the others are bit-equal.
NUMERICAL = {"botsort": 1e-3, "strongsort": 1e-3, "deepocsort": 1e-3, "hybridsort": 0.02}


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Sequence:
    return scene(tmp_path_factory.mktemp("scene") / "pan.zip", pan=3, length=LENGTH)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    found = busy(LENGTH)
    found[:, 5] = 0.75 + 0.2 * found[:, 5]  # above all thresholds: then every tracker masks out the same boxes
    return found


@pytest.fixture(scope="module")
def frames(street) -> list[np.ndarray]:
    return [street.frame(number) for number in range(1, LENGTH + 1)]


@pytest.fixture(scope="module")
def still() -> list[np.ndarray]:
    """Frames in which the estimators find exactly no motion."""
    return [np.zeros((192, 320, 3), np.uint8)] * LENGTH


def boxmots_loop(kind: str, table: np.ndarray, frames: list[np.ndarray], embeddings: np.ndarray, **options):
    """(M, 8) as `track_sequence` gives them, ids as BoxMOT's, in BoxMOT's order in each frame."""
    from boxmot.trackers.registry import get_tracker_class

    settings = boxmot_options(make(kind, **options), 10)
    tracker = get_tracker_class(kind)(**load_defaults(kind) | settings)
    rows = []
    for number, image in enumerate(frames, start=1):
        here = table[:, 0] == number
        values = torch.from_numpy(table[here].astype(np.float32))
        detections = Detections(
            geometry=Boxes(values[:, 1:5].contiguous()),
            scores=values[:, 5].contiguous(),
            class_ids=values[:, 6].to(torch.int64),
            sample_id="frame",
            embeddings=torch.from_numpy(embeddings[here]) if make(kind, **options).reid else None,
        )
        found = tracker.update(detections, image)
        boxes = found.geometry.values.numpy().astype(np.float64)
        columns = (found.track_ids, boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        rows.append(
            np.column_stack([np.full(len(boxes), number), *columns, found.scores.numpy(), found.class_ids.numpy()])
        )
    return np.concatenate(rows)


def assert_same(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    """Equal rows, and ids that map one to one."""
    assert len(ours) == len(theirs) >= LENGTH
    order = [np.lexsort((t[:, SCORE], t[:, TOP].round(1), t[:, LEFT].round(1), t[:, FRAME])) for t in (ours, theirs)]
    ours, theirs = ours[order[0]], theirs[order[1]]
    assert np.array_equal(ours[:, [FRAME, SCORE, CLASS]], theirs[:, [FRAME, SCORE, CLASS]])
    places = [LEFT, TOP, WIDTH, HEIGHT]
    assert np.abs(ours[:, places] - theirs[:, places]).max() <= tolerance
    pairs = set(zip(ours[:, ID], theirs[:, ID], strict=True))
    assert len(pairs) == len(set(ours[:, ID])) == len(set(theirs[:, ID]))


@pytest.mark.parametrize("kind", ALL)
def test_equals_boxmots_loop_with_its_own_camera_motion(kind, street, table, frames):
    tracker = make(kind, per_class=False, max_gap=3.0)  # longer than any gap here: BoxMOT's late strike-off is not met
    embeddings = looks(table)
    warps = estimate_motion(frames, table, LENGTH, tracker.camera_motion) if tracker.camera_motion else None
    ours = track_sequence(given(street, table, embeddings, warps), tracker, 2)
    theirs = boxmots_loop(kind, table, frames, embeddings, per_class=False, max_gap=3.0)
    assert_same(ours, theirs, NUMERICAL.get(kind, 0.0))


@pytest.mark.parametrize("kind", ALL)
def test_equals_boxmots_loop_bit_for_bit_while_the_camera_stands(kind, street, still):
    table = busy(LENGTH)
    embeddings = looks(table)
    tracker = make(kind, per_class=False, max_gap=3.0)
    ours = track_sequence(given(street, table, embeddings), tracker, 2)
    theirs = boxmots_loop(kind, table, still, embeddings, per_class=False, max_gap=3.0)
    assert_same(ours, theirs, 0.0)


@pytest.mark.parametrize("kind", ["bytetrack", "ocsort", "botsort", "strongsort", "hybridsort", "boosttrack"])
def test_a_tracker_to_a_class_equals_boxmots_on_that_class_alone(kind, street, table, frames):
    embeddings = looks(table)
    tracker = make(kind, max_gap=3.0)
    warps = estimate_motion(frames, table, LENGTH, tracker.camera_motion) if tracker.camera_motion else None
    ours = track_sequence(given(street, table, embeddings, warps), tracker, 2)
    for number in (0, 1):
        rows = table[:, 6] == number
        part = given(street, table[rows], embeddings[rows], warps)
        alone = track_sequence(part, make(kind, max_gap=3.0, per_class=False), 2)
        assert_same(ours[ours[:, CLASS] == number], alone, 0.0)


@pytest.mark.parametrize("kind", ["ocsort", "strongsort", "hybridsort", "boosttrack"])
def test_equals_boxmots_loop_in_seconds(kind, street, table, still, monkeypatch):
    from boxmot.trackers.base import BaseTracker

    update, seen = BaseTracker.update, []

    def timed(self, detections, frame):
        seen.append(len(seen) / 10)
        return update(self, detections, frame, timestamp_s=seen[-1])

    monkeypatch.setattr(BaseTracker, "update", timed)
    embeddings, settings = looks(table), {"per_class": False, "max_gap": 3.0, "variable_dt": True}
    ours = track_sequence(given(street, table, embeddings), make(kind, **settings), 2)
    theirs = boxmots_loop(kind, table, still, embeddings, **settings)
    assert_same(ours, theirs, 0.0)


# Options that lead through other parts of the kernels than the defaults do.
ELSEWHERE = {
    "bytetrack": {"asso_func": "giou"},
    "ocsort": {"use_byte": True, "det_thresh": 0.6, "asso_func": "diou"},
    "botsort": {"fuse_first_associate": False, "reid": None, "second_match_thresh": 0.8},
    "strongsort": {"mc_lambda": 0.5, "n_init": 1, "max_cos_dist": 0.1, "kf_measurement_noise_scale": 4.0},
    "deepocsort": {"aw_off": True, "iou_threshold": 0.05},
    "hybridsort": {"adapfs": True, "longterm_reid_weight": 2.0, "longterm_bank_seconds": 0.5, "use_byte": True},
    "boosttrack": {"adaptive_kf": True, "s_sim_corr": True, "reid": None, "use_sb": False, "use_vt": False},
    "occluboost": {"use_rich_s": True, "ams_alpha0": 0.0, "ams_shrink_ratio": 1.0, "use_duo_boost": True},
    "sfsort": {"dynamic_tuning": True},
}


@pytest.mark.parametrize("kind", ALL)
def test_what_stands_in_for_boxmots_kernels_changes_nothing(kind, street, monkeypatch):
    table, tracker = busy(LENGTH), make(kind, per_class=False, **ELSEWHERE[kind])
    arrays = given(street, table, looks(table) if tracker.reid else None)
    ours = track_sequence(arrays, tracker, 2)
    monkeypatch.setattr(lean, "_changes", list)
    assert np.array_equal(ours, track_sequence(arrays, tracker, 2))


def test_github_actions_change_nothing(street, monkeypatch):
    # There BoxMOT's StrongSORT confirms each track at once.
    table = busy(LENGTH)
    here = track_sequence(given(street, table, looks(table)), make("strongsort"), 2)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert np.array_equal(track_sequence(given(street, table, looks(table)), make("strongsort"), 2), here)
