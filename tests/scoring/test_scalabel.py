"""Scalabel's scores of one real sequence, and why two of them differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from stages.params.labels import BDD100K_LABELS
from stages.params.protocol_rules import ROLES
from stages.params.scoring import Protocol
from stages.scoring.adapter import class_data, frames_of
from stages.scoring.metrics import class_averaged, pooled, scalars, score_sequence
from stages.scoring.protocols import roles, rules_of
from tests import scoring_cases as cases

BDD = {name: number for number, name in BDD100K_LABELS.items()}
BDD_CLASSES = tuple(name for name in BDD if name not in ROLES["bdd100k"])
BDD_MAPPING = {name: name for name in BDD_CLASSES} | ROLES["bdd100k"]


def scalabel_rows(path: Path) -> np.ndarray:
    """(N, 9) of a Scalabel file: widths and heights count both ends."""
    rows, ids = [], {}
    for frame in json.loads(path.read_text()):
        for label in frame.get("labels") or []:
            x1, y1, x2, y2 = (label["box2d"][key] for key in ("x1", "y1", "x2", "y2"))
            native = BDD["crowd" if (label.get("attributes") or {}).get("crowd") else label["category"]]
            identity = ids.setdefault(label["id"], len(ids) + 1)
            rows.append((int(frame["name"][-11:-4]), identity, x1, y1, x2 - x1 + 1, y2 - y1 + 1, 1, native, 1))
    return np.array(rows, float)


@pytest.fixture(scope="module")
def scalabel(real_data):
    """Ground truth, roles, tracks and length of the video, and the scores that Scalabel gives it."""
    folder = real_data / "bdd100k-mot"
    gt, found = (scalabel_rows(folder / f"track_{name}.json") for name in ("sample_anns", "predictions"))
    numbers = {BDD[name]: number for number, name in enumerate(BDD_CLASSES)}
    purposes = roles(gt, BDD100K_LABELS, BDD_MAPPING, BDD_CLASSES, rules_of(Protocol(name="bdd100k")))
    published = json.loads((folder / "reference_scores.json").read_text())
    return gt, purposes, cases.as_tracks(found, numbers), int(gt[:, 0].max()), published


def scored(scalabel, protocol="bdd100k"):
    gt, purposes, tracks, length, _ = scalabel
    return score_sequence(gt, purposes, tracks, length, BDD_CLASSES, "", rules_of(Protocol(name=protocol)))


def test_scalabels_scores_are_met(scalabel):
    classes, published = scored(scalabel), scalabel[-1]
    values = scalars(pooled(classes))
    for field, name in (("FP",) * 2, ("FN",) * 2, ("IDSW", "IDSw"), ("MT",) * 2, ("PT",) * 2, ("ML",) * 2):
        assert values[field] == published[name]
    result = pooled(classes)
    assert 100 * result["CLEAR"]["MOTA"] == pytest.approx(published["MOTA"], abs=1e-9)
    assert 100 * result["Identity"]["IDF1"] == pytest.approx(published["IDF1"], abs=1e-9)
    average = class_averaged(classes, absent_is_zero=True)
    assert 100 * average["CLEAR"]["MOTA"] == pytest.approx(published["mMOTA"], abs=1e-9)
    assert 100 * average["Identity"]["IDF1"] == pytest.approx(published["mIDF1"], abs=1e-9)


def test_scalabels_averages_need_all_classes_and_its_threshold(scalabel):
    """Six of eight classes are in the ground truth; nine objects are tracked for 0.8 of their frames or just there."""
    classes, published = scored(scalabel), scalabel[-1]
    present = class_averaged(classes)
    assert 100 * present["CLEAR"]["MOTA"] == pytest.approx(published["mMOTA"] * 8 / 6, abs=1e-9)
    assert pooled(scored(scalabel, "mot15"))["CLEAR"]["MT"] < published["MT"]


def test_scalabels_matches_differ_in_one_frame(scalabel):
    """py-motmetrics holds on to every object's last track; where two held the same one, the first listed gets it.

    In frame 21, that is the object which overlaps it by 0.61, not the one with 0.67: hence the lower MOTP.
    """
    published, both = (
        scalabel[-1]["MOTP"] / 100,
        [np.concatenate([find(data)[2] for data in data_of_classes(scalabel)]) for find in (matches, held_matches)],
    )
    assert both[0].mean() == pytest.approx(pooled(scored(scalabel))["CLEAR"]["MOTP"], abs=1e-12)
    assert both[1].mean() == pytest.approx(published, abs=1e-7)  # Scalabel's boxes are float32
    assert both[0].sum() - both[1].sum() == pytest.approx(0.66637 - 0.61061, abs=1e-5)
    assert [len(each) for each in both] == [2167, 2167]


def test_scalabels_fragmentations_leave_out_frames_without_the_object(scalabel):
    """TrackEval counts a track that resumes behind frames in which the object is not annotated: 11 of 75.

    py-motmetrics does not, and finds two others in the frame of the test before.
    """
    trackeval, annotated, held = 0, 0, 0
    for data in data_of_classes(scalabel):
        seen = np.zeros((data["num_gt_ids"], data["num_timesteps"]), bool)
        for frame, ids in enumerate(data["gt_ids"]):
            seen[ids, frame] = True
        looked = [len(a) and len(b) for a, b in zip(data["gt_ids"], data["tracker_ids"], strict=True)]
        matched, others = (tracked(find(data), seen) for find in (matches, held_matches))
        trackeval += sum(resumptions(each[np.array(looked, bool)]) for each in matched)
        annotated += sum(resumptions(each[there]) for each, there in zip(matched, seen, strict=True))
        held += sum(resumptions(each[there]) for each, there in zip(others, seen, strict=True))
    assert (trackeval, annotated, held) == (75, 64, 66)
    assert trackeval == scalars(pooled(scored(scalabel)))["Frag"]
    assert held == scalabel[-1]["FM"]


def data_of_classes(scalabel):
    gt, purposes, tracks, length, _ = scalabel
    frames = frames_of(gt, purposes, tracks, length, "", rules_of(Protocol(name="bdd100k")))
    return [class_data(frames, number) for number in range(len(BDD_CLASSES))]


def matches(data):
    """CLEAR's matches of a class, (N,) each: object, frame and overlap. Those of the frame before are kept."""
    before, found = {}, []
    for frame, (objects, tracks, overlap) in enumerate(frames_with_both(data)):
        last = np.array([before.get(each, -1) for each in objects])
        scores = np.where(overlap >= 0.5, overlap + 1000 * (last[:, None] == tracks), 0)
        before = best(objects, tracks, overlap, scores, frame, found) if overlap.size else before
    return [np.array(column) for column in zip(*found, strict=True)] or [np.zeros(0, int)] * 3


def held_matches(data):
    """py-motmetrics': object by object, the last track that it had, however long ago; then the best of the rest."""
    held, found = {}, []
    for frame, (objects, tracks, overlap) in enumerate(frames_with_both(data)):
        free = np.where(overlap >= 0.5, overlap, 0)
        for row, each in enumerate(objects):
            for column in np.flatnonzero(tracks == held.get(each, -1)):
                if free[row, column]:
                    found.append((each, frame, overlap[row, column]))
                    free[row], free[:, column] = 0, 0
        held |= best(objects, tracks, overlap, free, frame, found)
    return [np.array(column) for column in zip(*found, strict=True)] or [np.zeros(0, int)] * 3


def frames_with_both(data):
    return zip(data["gt_ids"], data["tracker_ids"], data["similarity_scores"], strict=True)


def best(objects, tracks, overlap, scores, frame, found):
    """Match by the largest sum of scores, add to ``found``; object to track."""
    pairs = [pair for pair in zip(*linear_sum_assignment(-scores), strict=True) if scores[pair] > 0]
    found += [(objects[row], frame, overlap[row, column]) for row, column in pairs]
    return {objects[row]: tracks[column] for row, column in pairs}


def tracked(found, seen):
    """In which frames each object is matched, as ``seen``."""
    matched = np.zeros_like(seen)
    matched[found[0], found[1]] = True
    return matched


def resumptions(hits):
    return max(0, int(np.diff(np.concatenate([[0], hits.astype(int)])).clip(0).sum()) - 1)


# MOTChallenge --------------------------------------------------------------------------------------------------------
