"""HOTA at once against TrackEval's own, and shares of tracked frames by hand."""

from __future__ import annotations

import numpy as np
import pytest
from trackeval.metrics import CLEAR, HOTA

from stages.scoring.coverage import mostly_tracked, tracked_shares
from stages.scoring.hota import QuickHOTA


def data_of(gt_ids, track_ids, similarities):
    """What the metrics read, of lists by frame."""
    gt_ids, track_ids = ([np.array(ids, int) for ids in each] for each in (gt_ids, track_ids))
    shapes = [(len(a), len(b)) for a, b in zip(gt_ids, track_ids, strict=True)]
    return {
        "num_timesteps": len(gt_ids),
        "gt_ids": gt_ids,
        "tracker_ids": track_ids,
        "num_gt_ids": len(set(np.concatenate(gt_ids).tolist())),
        "num_tracker_ids": len(set(np.concatenate(track_ids).tolist())),
        "num_gt_dets": sum(map(len, gt_ids)),
        "num_tracker_dets": sum(map(len, track_ids)),
        "similarity_scores": [
            np.array(each, float).reshape(shape) for each, shape in zip(similarities, shapes, strict=True)
        ],
    }


def random_data(seed, objects=9, tracks=12, frames=30):
    rng = np.random.default_rng(seed)
    gt_ids = [np.flatnonzero(rng.random(objects) < 0.6) for _ in range(frames - 1)] + [np.arange(objects)]
    track_ids = [np.arange(tracks)] + [np.flatnonzero(rng.random(tracks) < 0.5) for _ in range(frames - 1)]
    gt_ids[3], track_ids[5] = gt_ids[3][:0], track_ids[5][:0]
    near = rng.random((objects, tracks)) < 0.3
    similarities = [
        np.round(rng.random((len(a), len(b))) * near[np.ix_(a, b)], 2)  # many on a threshold, many 0
        for a, b in zip(gt_ids, track_ids, strict=True)
    ]
    return data_of(gt_ids, track_ids, similarities)


CASES = {
    "apart": data_of([[0], []], [[], [0]], [[], []]),  # never in one frame
    "no tracks": data_of([[0], [0]], [[], []], [[], []]),
    "no objects": data_of([[], []], [[0], [0]], [[], []]),
    "no overlap": data_of([[0], [0]], [[0], [0]], [[0], [0]]),
    "perfect": data_of([[0, 1]] * 3, [[1, 0]] * 3, [[[0, 1], [1, 0]]] * 3),
} | {f"random {seed}": random_data(seed) for seed in range(5)}


@pytest.mark.parametrize("case", CASES)
def test_equals_trackevals_hota(case):
    ours, theirs = QuickHOTA().eval_sequence(CASES[case]), HOTA().eval_sequence(CASES[case])
    assert ours.keys() == theirs.keys()
    for field, expected in theirs.items():
        np.testing.assert_allclose(ours[field], expected, rtol=0, atol=1e-12, err_msg=field)
        assert np.shape(ours[field]) == np.shape(expected)


def test_hota_has_trackevals_name():
    assert QuickHOTA().get_name() == HOTA().get_name() == "HOTA"


@pytest.mark.parametrize("case", CASES)
def test_shares_are_those_that_clear_counts(case):
    data = CASES[case]
    counts = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    shares = tracked_shares(data)
    assert (shares > 0.8).sum() == counts["MT"]
    assert (shares < 0.2).sum() == counts["ML"]
    there = sum((ids[:, None] == np.arange(len(shares))).sum(axis=0) for ids in data["gt_ids"])
    assert (shares * there).sum() == pytest.approx(counts["CLR_TP"])


@pytest.mark.parametrize(
    ("hits", "expected"),
    [(10, "MT"), (8, "MT"), (7, "PT"), (2, "PT"), (1, "ML"), (0, "ML")],
)
def test_an_object_is_mostly_tracked_from_a_share_of_08_on(hits, expected):
    data = data_of([[0]] * 10, [[0]] * 10, [[0.6]] * hits + [[0.4]] * (10 - hits))
    found = mostly_tracked(data)
    assert found == {name: int(name == expected) for name in ("MT", "PT", "ML")} | {
        f"{name}R": float(name == expected) for name in ("MT", "PT", "ML")
    }
