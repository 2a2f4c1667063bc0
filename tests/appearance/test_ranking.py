"""mAP and CMC: by hand, by brute force, and as BoxMOT's evaluator computes them."""

from __future__ import annotations

import numpy as np
import pytest

from stages.appearance.ranking import Gallery, search, summarise


def at_angles(degrees: list[float], identities: list[int], cameras: list[int]) -> Gallery:
    angles = np.deg2rad(degrees)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Gallery(points, np.array(identities), np.array(cameras))


def at_random(rng: np.random.Generator, count: int) -> Gallery:
    points = rng.standard_normal((count, 8)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Gallery(points, rng.integers(1, 9, count), rng.integers(1, 4, count))


def test_by_hand():
    query = at_angles([0, 0, 0], [1, 2, 9], [1, 1, 1])
    # By angle: 2, 1, 1 (the first query's own camera), 3, 1.
    gallery = at_angles([10, 20, 30, 40, 50], [2, 1, 1, 3, 1], [2, 2, 1, 2, 3])
    found = search(query, gallery)
    assert [each.query for each in found] == [0, 1]  # nobody is 9
    assert found[0].first == 1
    assert found[0].top.tolist() == [0, 1, 3, 4]
    assert found[0].right.tolist() == [False, True, False, True]
    assert found[0].average_precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found[0].similarities == pytest.approx(np.cos(np.deg2rad([10, 20, 40, 50])))
    assert summarise(found) == pytest.approx({"mAP": (0.5 + 1) / 2, "rank1": 0.5, "rank5": 1, "rank10": 1})


def test_of_equals_the_first_in_the_gallery_comes_first():
    found = search(at_angles([0], [1], [1]), at_angles([5, 5, 5], [2, 1, 3], [2, 2, 2]))
    assert found[0].top.tolist() == [0, 1, 2]


def test_no_query_has_a_match():
    assert search(at_angles([0], [1], [1]), at_angles([5, 6], [1, 2], [1, 2])) == []
    assert summarise([]) == {"mAP": 0, "rank1": 0, "rank5": 0, "rank10": 0}


@pytest.mark.parametrize("seed", range(3))
def test_equals_boxmots_evaluator(seed: int):
    from boxmot.reid.training.evaluator import compute_distance_matrix, evaluate_ranking

    rng = np.random.default_rng(seed)
    query, gallery = at_random(rng, 40), at_random(rng, 200)
    distances = compute_distance_matrix(query.embeddings, gallery.embeddings)
    curve, precision = evaluate_ranking(
        distances, query.identities, gallery.identities, query.cameras, gallery.cameras, 10
    )
    ours = summarise(search(query, gallery))
    assert ours["mAP"] == pytest.approx(precision, abs=1e-12)
    # Its curve is in float32.
    assert [ours[f"rank{rank}"] for rank in (1, 5, 10)] == pytest.approx([curve[0], curve[4], curve[9]], abs=1e-6)


def test_equals_brute_force():
    rng = np.random.default_rng(7)
    query, gallery = at_random(rng, 20), at_random(rng, 60)
    ranks, precisions = [], []
    for mine, identity, camera in zip(query.embeddings, query.identities, query.cameras, strict=True):
        rows = sorted(
            (-float(mine @ other), int(place))
            for place, other in enumerate(gallery.embeddings)
            if (gallery.identities[place], gallery.cameras[place]) != (identity, camera)
        )
        right = [gallery.identities[place] == identity for _, place in rows]
        ranks.append(right.index(True))
        hits = [index for index, is_right in enumerate(right) if is_right]
        precisions.append(sum((number + 1) / (index + 1) for number, index in enumerate(hits)) / len(hits))
    ours = summarise(search(query, gallery))
    assert ours["mAP"] == pytest.approx(np.mean(precisions), abs=1e-12)
    assert ours["rank5"] == np.mean([rank < 5 for rank in ranks])
