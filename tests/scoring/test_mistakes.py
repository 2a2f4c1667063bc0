"""What went wrong: as many rows as CLEAR counts, and every column of small scenes by hand."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from tracking_results import walks

from stages.params.scoring import Protocol
from stages.params.sources import MOTCHALLENGE_LABELS
from stages.scoring.adapter import frames_of
from stages.scoring.metrics import score_sequence
from stages.scoring.mistakes import CAUSES, COLUMNS, KINDS, TOTAL_COLUMNS, Scene, mistakes, totals
from stages.scoring.protocols import own_distractor, rules_of
from stages.sequences.annotations import DISTRACTOR, DROP, REGION, parse_gt, purposes
from stages.sequences.tracks import Tracks

CLASSES = ("person", "car")
CLEAR = dict(zip(KINDS, ("CLR_FN", "CLR_FP", "IDSW", "Frag"), strict=True))


def as_tracks(rows: np.ndarray, classes=None) -> Tracks:
    rows = np.asarray(rows, float).reshape(-1, 6)
    whole = rows.astype(np.int64)
    return Tracks(whole[:, 0], whole[:, 1], rows[:, 2:6], np.array(classes or [0] * len(rows), np.int64))


def found(gt, roles, tracks, length, number=0, fps=10.0) -> list[dict]:
    scene = Scene(gt, tracks, CLASSES, width=640, height=480, fps=fps)
    return list(mistakes(frames_of(gt, roles, tracks, length, "gt"), scene, number))


def assert_as_many_as_clear(gt, roles, tracks, length):
    result = score_sequence(gt, roles, tracks, length, CLASSES, "gt")
    counts = []
    for number, name in enumerate(CLASSES):
        counted = Counter(row["kind"] for row in found(gt, roles, tracks, length, number))
        assert {kind: counted[kind] for kind in KINDS} == {kind: result[name]["CLEAR"][CLEAR[kind]] for kind in KINDS}
        counts.append(counted)
    return counts


@pytest.mark.parametrize("sequence", ["TUD-Campus", "TUD-Stadtmitte"])
def test_real_tracks_have_as_many_mistakes_as_clear_counts(real_data, sequence):
    folder = real_data / "mot15-tud" / sequence
    gt = parse_gt((folder / "gt.txt").read_text(), "gt.txt")
    tracks = as_tracks(np.loadtxt(folder / "test.txt", delimiter=",")[:, :6])
    length = int(max(gt[:, 0].max(), tracks.frames.max()))
    mapping = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {"pedestrian": "person"}
    roles = purposes(gt, MOTCHALLENGE_LABELS, mapping, CLASSES)
    person, car = assert_as_many_as_clear(gt, roles, tracks, length)
    assert min(person[kind] for kind in KINDS) > 0
    assert not car


@pytest.mark.parametrize("number", range(8))
def test_made_up_tracks_have_as_many_mistakes_as_clear_counts(number):
    """Sequence 2 is not tracked, 7 has no car; distractors, regions and dropped boxes lie among the targets."""
    gt, tracks, length = walks(number, noise=5)
    roles = gt[:, 7].astype(np.int64) - 1
    roles[gt[:, 1] == 3] = (DISTRACTOR, DROP, REGION)[number % 3]
    keep = ~np.isin(tracks.frames, (5, 9))  # frames without any track
    tracks = Tracks(*(each[keep] for each in (tracks.frames, tracks.ids, tracks.boxes, tracks.classes)))
    annotated = gt[:, 0] != 8  # a frame without ground truth
    gt, roles = gt[annotated], roles[annotated]
    assert_as_many_as_clear(gt, roles, tracks, length)


@pytest.mark.parametrize("protocol", get_args(Protocol.model_fields["name"].annotation))
def test_as_many_by_the_rules_of_every_protocol(protocol):
    gt, tracks, length = walks(5, noise=5)
    rules = rules_of(Protocol(name=protocol, min_visibility=0.5))
    roles = gt[:, 7].astype(np.int64) - 1
    roles[gt[:, 1] == 3] = REGION
    roles[gt[:, 1] == 4] = DISTRACTOR
    roles[(gt[:, 1] == 2) & (gt[:, 0] > 9)] = own_distractor(0)
    frames = frames_of(gt, roles, tracks, length, "gt", rules, (640, 480))
    rows = list(mistakes(frames, Scene(gt, tracks, CLASSES, 640, 480, 10.0), 0))
    expected = score_sequence(gt, roles, tracks, length, CLASSES, "gt", rules, (640, 480))["person"]["CLEAR"]
    counted = Counter(row["kind"] for row in rows)
    assert {kind: counted[kind] for kind in KINDS} == {kind: expected[CLEAR[kind]] for kind in KINDS}
    assert counted["miss"] > 0


def test_no_ground_truth_and_no_tracks():
    none = np.empty((0, 9))
    assert found(none, np.empty(0, np.int64), as_tracks([]), 3) == []
    rows = found(none, np.empty(0, np.int64), as_tracks([[1, 1, 100, 100, 50, 50]]), 3)
    assert [(row["kind"], row["iou"], row["iou_with"], row["visibility"]) for row in rows] == [
        ("false alarm", 0, None, None)
    ]


def targets(*rows, visibility=1.0) -> tuple[np.ndarray, np.ndarray]:
    """Persons (frame, id, left, top, width, height)."""
    gt = np.array([[*row, 1, 1, visibility] for row in rows], float).reshape(-1, 9)
    return gt, np.zeros(len(gt), np.int64)


BOX = (300, 200, 40, 80)


def test_a_target_lost_and_found_again_by_another_track():
    """Matched in frame 1 to track 5, missed in 2 to 4, matched in 5 to track 6."""
    gt, roles = targets(*((frame, 7, *BOX) for frame in range(1, 6)))
    tracks = as_tracks([[1, 5, *BOX], [3, 6, 330, 200, 40, 80], [5, 6, 300, 200, 40, 60]])
    rows = found(gt, roles, tracks, 5, fps=5)
    assert [(row["frame"], row["kind"], row["gap"], row["cause"]) for row in rows] == [
        (2, "miss", 0, "other"),
        (3, "miss", 1, "other"),
        (3, "false alarm", None, "other"),
        (4, "miss", 2, "other"),
        (5, "switch", 3, "gap"),  # more than half a second at 5 frames a second
        (5, "fragmentation", 3, "gap"),
    ]
    switch = rows[4]
    assert (switch["gt_id"], switch["track_id"], switch["track_before"]) == (7, 6, 5)
    assert (switch["iou"], switch["iou_with"]) == (0.75, "its track")
    assert [switch[name] for name in ("left", "top", "width", "height")] == list(BOX)
    assert (switch["size"], switch["border"], switch["crowding"]) == (pytest.approx(3200**0.5), 200, 0)
    missed, false = rows[1], rows[2]
    assert (missed["iou"], missed["iou_with"], missed["track_id"]) == (pytest.approx(10 / 70), "track", None)
    assert (false["iou"], false["iou_with"], false["track_id"]) == (pytest.approx(10 / 70), "target", 6)
    assert rows[0]["iou_with"] is None
    assert set(COLUMNS) >= set(switch)
    assert set(COLUMNS) >= set(false)


def cause_of_a_miss(box, others=(), visibility=1.0) -> str:
    gt, roles = targets((1, 1, *box), *((1, 2 + index, *other) for index, other in enumerate(others)))
    gt[0, 8] = visibility
    rows = found(gt, roles, as_tracks([[1, 9, *other] for other in others]), 1)
    return next(row["cause"] for row in rows if row["gt_id"] == 1)


@pytest.mark.parametrize(
    ("box", "others", "visibility", "cause"),
    [
        (BOX, [], 0.49, "occluded"),
        (BOX, [], 0.5, "other"),
        (BOX, [], -1, "other"),  # not known
        ((300, 200, 16, 16), [], 1, "small"),  # the frame's size is 554, of which 0.03 are 16.6
        ((300, 200, 17, 17), [], 1, "other"),
        (BOX, [(327, 200, 60, 80)], 1, "crowded"),  # 13 of 40 columns
        (BOX, [(329, 200, 60, 80)], 1, "other"),
        ((5, 200, 40, 80), [], 1, "border"),  # 0.01 are 5.5
        ((6, 200, 40, 80), [], 1, "other"),
        ((595, 200, 40, 80), [], 1, "border"),
        ((300, 410, 40, 80), [], 1, "border"),  # beyond it
        ((2, 2, 10, 10), [(0, 0, 60, 80)], 0.1, "occluded"),  # the first that holds
        ((2, 2, 10, 10), [(0, 0, 60, 80)], 1, "small"),
        ((2, 2, 40, 40), [(0, 0, 60, 80)], 1, "crowded"),
    ],
)
def test_cause(box, others, visibility, cause):
    assert cause_of_a_miss(box, others, visibility) == cause


def test_what_a_false_alarm_overlaps():
    boxes = {"target": 0, "target of car": 100, "distractor": 200, "drop": 300, "taken target": 400}
    gt, roles = targets(*((1, 1 + index, left, 200, 40, 80) for index, left in enumerate(boxes.values())))
    roles[1:4] = 1, DISTRACTOR, DROP
    gt[:, 8] = 0.4
    tracks = as_tracks(
        [[1, 10 + index, left + 25, 200, 40, 80] for index, left in enumerate(boxes.values())]
        + [[1, 20, 400, 200, 40, 80], [1, 21, 500, 200, 40, 80]]
    )
    rows = [row for row in found(gt, roles, tracks, 1) if row["kind"] == "false alarm"]
    assert [row["iou_with"] for row in rows] == [*boxes, None]
    assert [row["visibility"] for row in rows] == [0.4] * 5 + [None]
    assert [row["crowding"] for row in rows] == [0] * 6  # the box itself is not counted
    assert [row["iou"] for row in rows] == pytest.approx([15 / 65] * 5 + [0])


def test_what_a_miss_overlaps():
    gt, roles = targets((1, 1, *BOX), (1, 2, 320, 200, 40, 80))
    tracks = as_tracks([[1, 5, 322, 200, 40, 80], [1, 6, 290, 260, 40, 80]], [0, 1])
    (missed,) = found(gt, roles, tracks, 1)
    assert (missed["gt_id"], missed["iou_with"]) == (1, "taken track")
    assert found(gt[:1], roles[:1], as_tracks([[1, 6, *BOX]], [1]), 1)[0]["iou_with"] == "track of car"


def test_a_track_that_goes_on_without_its_target_is_after_a_gap():
    gt, roles = targets((1, 1, *BOX))
    tracks = as_tracks([[frame, 5, *BOX] for frame in range(1, 10)])
    rows = found(gt, roles, tracks, 9)
    assert [row["gap"] for row in rows] == list(range(8))
    assert [row["cause"] for row in rows] == ["other"] * 6 + ["gap"] * 2  # more than 5 frames


def test_totals():
    gt, tracks, length = walks(4, noise=5)
    roles = gt[:, 7].astype(np.int64) - 1
    rows = [
        {"source": source} | row
        for source in ("street", "air")
        for number in (0, 1)
        for row in found(gt, roles, tracks, length, number)
    ]
    table = totals(rows)
    keys = [(row["source"], row["class"], row["kind"]) for row in table]
    assert keys == [(source, name, kind) for source in ("street", "air") for name in CLASSES for kind in KINDS]
    assert all(tuple(row) == TOTAL_COLUMNS for row in table)
    assert all(row["all"] == sum(row[cause] for cause in CAUSES) for row in table)
    assert sum(row["all"] for row in table) == len(rows) > 50
    assert totals([]) == []
