"""Sums of sequences against TrackEval's own combination; intervals against simulated sequences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tracking_results import CLASSES, results_of

from stages.errors import InputError
from stages.scoring.bootstrap import Difference, differences, draws, intervals, percentiles, resampled
from stages.scoring.metrics import over_sequences, pooled
from stages.scoring.parts import METRICS, Parts, parts_of, read_parts, scores_of, write_parts


@pytest.fixture(scope="module")
def results() -> dict:
    """Eight sequences; the last has no car, and one is not tracked at all."""
    return results_of(range(8))


def trackevals(result: dict) -> list[float]:
    return [np.mean(result["HOTA"]["HOTA"]), result["CLEAR"]["MOTA"], result["Identity"]["IDF1"]]


def test_draws_equal_trackevals_combination_of_the_same_sequences(results):
    parts = parts_of(results)
    names = list(results)
    for drawn, sums in zip(draws(8, 40), resampled(parts.sums.reshape(8, -1), 40).reshape(40, 2, -1), strict=True):
        copies = [(name, copy) for name, count in zip(names, drawn, strict=True) for copy in range(int(count))]
        assert len(copies) == 8
        classes = {c: over_sequences({copy: results[copy[0]][c] for copy in copies}) for c in CLASSES}
        np.testing.assert_allclose(scores_of(sums[0]), trackevals(classes["person"]), rtol=0, atol=1e-12)
        np.testing.assert_allclose(scores_of(sums.sum(axis=0)), trackevals(pooled(classes)), rtol=0, atol=1e-12)


def test_draws_are_with_replacement_and_always_the_same():
    drawn = draws(8, 4000)
    assert (drawn.sum(axis=1) == 8).all()
    assert (drawn == draws(8, 4000)).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(8), abs=0.06)
    assert (drawn == 0).mean() == pytest.approx((7 / 8) ** 8, abs=0.02)


def test_table_keeps_every_bit(results, tmp_path):
    for name in ("one.csv", "two.csv"):
        write_parts(tmp_path / name, {"street": results, "air": dict(list(results.items())[:2])})
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    table = read_parts(tmp_path / "one.csv")
    assert list(table) == ["street", "air"]
    assert table["street"].sequences == tuple(results)
    assert table["street"].classes == CLASSES
    assert (table["street"].sums == parts_of(results).sums).all()
    assert table["air"].sums.shape == (2, 2, 83)
    assert table["street"].targets[-1].tolist() == [results["s7"]["person"]["Count"]["GT_Dets"], 0]


def cut(text):
    return text[: len(text) - 20]


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda text: "", ":1: not the columns"),
        (lambda text: text.replace("IDSW", "IDS"), ":1: not the columns"),
        (cut, ":5: not 83 numbers"),
        (lambda text: text.replace("s1,person,", "s1,person,nan,"), ":4: not 83 numbers"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "sequence `s1` has other classes"),
        (lambda text: text + "\n", ":6: not 83 numbers"),
    ],
)
def test_bad_table(results, tmp_path, harm, what):
    path = tmp_path / "parts.csv"
    write_parts(path, {"street": dict(list(results.items())[:2])})
    path.write_text(harm(path.read_text()))
    with pytest.raises(InputError) as caught:
        read_parts(path)
    assert f"parts.csv{what}" in str(caught.value) or f"parts.csv: {what}" in str(caught.value)


def test_intervals_hold_the_score_and_are_no_points(results):
    found = intervals(results)
    assert (found["sequences"], found["level"], list(found["classes"])) == (8, 0.95, list(CLASSES))
    classes = {c: over_sequences({name: of[c] for name, of in results.items()}) for c in CLASSES}
    for bounds, result in ((found["pooled"], pooled(classes)), (found["classes"]["car"], classes["car"])):
        assert tuple(bounds) == METRICS
        for (low, high), value in zip(bounds.values(), trackevals(result), strict=True):
            assert low < value < high
    assert intervals(results) == found
    json.dumps(found)


def test_fewer_than_five_sequences_give_none_and_say_so(results):
    four = intervals(dict(list(results.items())[-5:]))
    assert four["classes"]["car"] == "none: 4 of 5 sequences have ground truth, an interval needs 5"
    assert isinstance(four["classes"]["person"], dict)
    assert intervals(dict(list(results.items())[:4]))["pooled"].startswith("none: 4 of 4")
    assert intervals({})["pooled"].startswith("none: 0 of 0")


def test_equal_sequences_have_no_spread(results):
    same = intervals({str(number): results["s0"] for number in range(6)})
    assert same["pooled"]["HOTA"][0] == same["pooled"]["HOTA"][1] > 0


def population(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 83) sums of made-up sequences, long and short, easy and hard."""
    targets, quality = rng.integers(200, 2000, (count, 1)), rng.beta(6, 3, (count, 1))
    found, false = targets * quality, 0.3 * targets * (1 - quality)
    alpha = np.linspace(0.95, 0.4, 19)
    tp = found * alpha
    idtp = found * rng.beta(8, 3, (count, 1))
    curves = [tp, targets - tp, false + found - tp, tp * alpha * rng.beta(8, 4, (count, 1))]
    counts = [found, targets - found, false, 0.02 * targets, idtp, targets - idtp, found + false - idtp]
    return np.concatenate([*curves, *counts], axis=1)


def test_percentiles_reach_further_for_few_sequences():
    # Student's t at 2.5 % with 4 degrees of freedom is 2.7764; sqrt(5/4) times that is 3.104 standard deviations.
    assert percentiles(5) == pytest.approx((0.0954, 99.9046), abs=1e-4)
    assert percentiles(10_000) == pytest.approx((2.5, 97.5), abs=0.01)


@pytest.mark.parametrize(("sequences", "low", "high"), [(30, 0.915, 0.975), (6, 0.88, 0.96)])
def test_coverage(sequences, low, high):
    """It covers about 95 %; with few sequences somewhat less, as the module says."""
    rng = np.random.default_rng(0)
    true = scores_of(population(rng, 100_000).sum(axis=0))
    covered = []
    for _ in range(300):
        draws = scores_of(resampled(population(rng, sequences), 2000))
        bounds = np.percentile(draws, percentiles(sequences), axis=0)
        covered.append((bounds[0] <= true) & (true <= bounds[1]))
    assert ((low <= np.mean(covered, axis=0)) & (np.mean(covered, axis=0) <= high)).all(), np.mean(covered, axis=0)


def parts(sums: np.ndarray) -> Parts:
    return Parts(tuple(f"s{number}" for number in range(len(sums))), ("person",), sums[:, None])


def test_pairing_finds_what_separate_intervals_would_not():
    rng = np.random.default_rng(1)
    sums = population(rng, 20)
    better = sums.copy()
    better[:, -5] *= 0.9  # a tenth of the false alarms less, in every sequence
    hota, mota, idf1 = differences(parts(sums), parts(better))
    assert (hota.value, hota.low, hota.high, hota.beyond_chance) == (0, 0, 0, False)
    saved = 0.1 * sums[:, -5].sum() / (sums[:, -7] + sums[:, -6]).sum()
    assert mota.value == pytest.approx(saved)
    assert 0 < mota.low < mota.value < mota.high < 2 * saved
    assert mota.beyond_chance
    alone = np.percentile(scores_of(resampled(sums))[:, 1], [2.5, 97.5])
    assert alone[1] - alone[0] > 10 * saved
    assert idf1.second == idf1.first


def test_chance_is_found_to_be_chance():
    """Two samples of one population differ beyond chance in about one of twenty cases."""
    rng = np.random.default_rng(2)
    cases = [differences(parts(population(rng, 20)), parts(population(rng, 20))) for _ in range(60)]
    assert 0 < np.mean([found[1].beyond_chance for found in cases]) < 0.15


def test_too_few_sequences_to_compare():
    assert differences(parts(population(np.random.default_rng(3), 4)), parts(np.ones((4, 83)))) is None


@pytest.mark.parametrize(
    ("first", "second", "low", "high", "beyond", "sentence"),
    [
        (0.5, 0.6, 0.05, 0.15, True, "better, by more than chance"),
        (0.6, 0.5, -0.15, -0.05, True, "worse, by more than chance"),
        (0.5, 0.6, -0.05, 0.15, False, "not larger than chance"),
        (0.5, 0.6, 0.0, 0.15, False, "not larger than chance"),
        (0.5, 0.6, np.nan, np.nan, False, "no interval"),
        (np.nan, 0.6, np.nan, np.nan, False, "no interval"),
        (0.5, 0.5, np.nan, np.nan, False, "no difference"),
    ],
)
def test_what_is_said_of_a_difference(first, second, low, high, beyond, sentence):
    found = Difference("HOTA", first, second, low, high)
    assert (found.beyond_chance, found.sentence) == (beyond, sentence)
