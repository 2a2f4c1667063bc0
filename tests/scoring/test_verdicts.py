"""Verdicts on every box: as many mistakes as CLEAR counts and mistakes.csv lists, and boxes of small scenes by hand."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from tracking_results import CLASSES, walks

from stages.params.scoring import Protocol
from stages.params.sources import MOTCHALLENGE_LABELS
from stages.scoring.adapter import frames_of
from stages.scoring.metrics import score_frames
from stages.scoring.mistakes import Scene, mistakes
from stages.scoring.protocols import SKYWARD, Rules, own_distractor, rules_of
from stages.scoring.verdicts import FALSE_ALARM, MISS, SWITCH, Verdicts, class_frames, judge
from stages.sequences.annotations import DISTRACTOR, DROP, REGION, parse_gt, purposes
from stages.sequences.tracks import Tracks

COUNTS = {MISS: "CLR_FN", FALSE_ALARM: "CLR_FP", SWITCH: "IDSW"}


def judged(gt, roles, tracks, length, rules: Rules = SKYWARD) -> tuple[list, Scene, Verdicts]:
    frames = frames_of(gt, roles, tracks, length, "gt", rules, (640, 480))
    scene = Scene(gt, tracks, CLASSES, 640, 480, 10.0)
    classes = [class_frames(frames, number) for number in range(len(CLASSES))]
    return frames, scene, judge(classes, scene, roles)


def assert_agrees(gt, roles, tracks, length, rules: Rules = SKYWARD) -> Verdicts:
    """With CLEAR's counts, and with the rows of mistakes: frame, kind, class and ids."""
    frames, scene, verdicts = judged(gt, roles, tracks, length, rules)
    results = score_frames(frames, CLASSES, rules).values()
    for kind, field in COUNTS.items():
        assert verdicts.counts(kind).sum() == sum(result["CLEAR"][field] for result in results)
        assert len(verdicts.counts(kind)) == length
    rows = Counter(
        (row["frame"], row["kind"], row["class"], row["gt_id"], row["track_id"], row["track_before"])
        for number in range(len(CLASSES))
        for row in mistakes(frames, scene, number)
        if row["kind"] != "fragmentation"
    )
    found = Counter(
        (frame, each.kind, CLASSES[each.label], each.target, each.track, each.before)
        for frame in range(1, length + 1)
        for each in verdicts.of(frame)
        if each.kind in ("miss", "false alarm", "switch")
    )
    assert found == rows
    return verdicts


@pytest.mark.parametrize("sequence", ["TUD-Campus", "TUD-Stadtmitte"])
def test_agrees_on_real_tracks(real_data, sequence):
    folder = real_data / "mot15-tud" / sequence
    gt = parse_gt((folder / "gt.txt").read_text(), "gt.txt")
    rows = np.loadtxt(folder / "test.txt", delimiter=",")
    whole = rows[:, :2].astype(np.int64)
    tracks = Tracks(whole[:, 0], whole[:, 1], rows[:, 2:6], np.zeros(len(rows), np.int64))
    length = int(max(gt[:, 0].max(), tracks.frames.max()))
    mapping = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {"pedestrian": "person"}
    verdicts = assert_agrees(gt, purposes(gt, MOTCHALLENGE_LABELS, mapping, CLASSES), tracks, length)
    assert min(verdicts.counts(kind).sum() for kind in COUNTS) > 0


@pytest.mark.parametrize("number", range(8))
def test_agrees_on_made_up_tracks(number):
    """Sequence 2 is not tracked, 7 has no car; frames without tracks, without ground truth, distractors, regions."""
    gt, tracks, length = walks(number, noise=5)
    roles = gt[:, 7].astype(np.int64) - 1
    roles[gt[:, 1] == 3] = (DISTRACTOR, DROP, REGION)[number % 3]
    keep = ~np.isin(tracks.frames, (5, 9))
    tracks = Tracks(*(each[keep] for each in (tracks.frames, tracks.ids, tracks.boxes, tracks.classes)))
    annotated = gt[:, 0] != 8
    assert_agrees(gt[annotated], roles[annotated], tracks, length)


@pytest.mark.parametrize("protocol", get_args(Protocol.model_fields["name"].annotation))
def test_agrees_by_the_rules_of_every_protocol(protocol):
    gt, tracks, length = walks(5, noise=5)
    roles = gt[:, 7].astype(np.int64) - 1
    roles[gt[:, 1] == 3], roles[gt[:, 1] == 4] = REGION, DISTRACTOR
    roles[(gt[:, 1] == 2) & (gt[:, 0] > 9)] = own_distractor(0)
    verdicts = assert_agrees(gt, roles, tracks, length, rules_of(Protocol(name=protocol)))
    kinds = Counter(each.kind for frame in range(1, length + 1) for each in verdicts.of(frame))
    assert kinds["region"] == (roles == REGION).sum()
    assert kinds["distractor"] == ((roles == DISTRACTOR) | (roles == own_distractor(0))).sum()
    # Every track box has one verdict.
    assert len(tracks.ids) == sum(kinds[kind] for kind in ("matched", "switch", "false alarm", "dropped"))


def test_a_small_scene_by_hand():
    """Target 1 goes from track 5 to 6; a poster takes track 7; track 8 is in a crowd; 9 is a false car."""
    person, car, poster, crowd = 0, 1, DISTRACTOR, REGION
    gt = np.array(
        [
            [1, 1, 10, 10, 20, 40],
            [2, 1, 10, 10, 20, 40],
            [2, 2, 100, 10, 20, 40],
            [2, 3, 200, 10, 20, 40],
            [2, 4, 300, 0, 99, 99],
        ],
        float,
    )
    gt = np.column_stack([gt, np.ones((5, 3))])
    rows = [
        [1, 5, 10, 10, 20, 40],
        [2, 6, 11, 10, 20, 40],
        [2, 7, 200, 10, 20, 40],
        [2, 8, 310, 10, 20, 40],
        [2, 9, 500, 10, 20, 40],
    ]
    tracks = Tracks(*np.array(rows)[:, :2].T, np.array(rows, float)[:, 2:], np.array([0, 0, 0, 0, 1]))
    _, _, verdicts = judged(gt, np.array([person, person, person, poster, crowd]), tracks, 3)
    assert [tuple(each) for each in verdicts.of(1)] == [("matched", (10, 10, 30, 50), person, 1, 5, None)]
    assert [tuple(each) for each in verdicts.of(2)] == [
        ("region", (300, 0, 399, 99), -1, 4, None, None),
        ("distractor", (200, 10, 220, 50), -1, 3, None, None),
        ("dropped", (200, 10, 220, 50), person, None, 7, None),
        ("dropped", (310, 10, 330, 50), person, None, 8, None),
        ("miss", (100, 10, 120, 50), person, 2, None, None),
        ("false alarm", (500, 10, 520, 50), car, None, 9, None),
        ("switch", (11, 10, 31, 50), person, 1, 6, 5),
    ]
    assert verdicts.of(3) == []
    assert verdicts.counts(MISS).tolist() == [0, 1, 0]


def test_no_ground_truth_and_no_tracks():
    none = Tracks(*(np.zeros(0, np.int64) for _ in range(2)), np.zeros((0, 4)), np.zeros(0, np.int64))
    _, _, verdicts = judged(np.empty((0, 9)), np.zeros(0, np.int64), none, 2)
    assert (verdicts.of(1), verdicts.counts(MISS).tolist()) == ([], [0, 0])
