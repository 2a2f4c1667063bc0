"""How far a score would move with other sequences: percentile bootstrap over sequences (Efron 1979, Ann. Stat. 7:1).

Boxes of one sequence are not independent, sequences are (nearly): whole sequences are drawn with replacement, as many
as there are, and each draw is combined as TrackEval combines sequences. The interval lies between two percentiles of
the draws' scores. It says what the choice of test sequences does; how a training run's seed moves a score it does not.

The percentiles are those of the expanded percentile interval (Hesterberg 2015, The American Statistician 69:371): as
far out as Student's t is beyond the normal distribution, since draws from few sequences vary too little. With simulated
sequences it covers the true score in 91 % of cases with five, 94 % with ten, 95 % with thirty; from 2.5 to 97.5 it
would in 81, 90 and 93 %. With fewer than five sequences there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, stdtrit

from stages.scoring.parts import METRICS, Parts, parts_of, scores_of
from stages.sequences.seeds import generator

FEWEST = 5  # sequences with ground truth
LEVEL = 0.95
RESAMPLES = 5000
NO_DIFFERENCE = "no difference"


@dataclass(frozen=True)
class Difference:
    """One metric of two runs over the same sequences."""

    metric: str
    first: float
    second: float
    low: float  # of second - first; NaN where there is no interval
    high: float

    @property
    def value(self) -> float:
        """By how much the second run is better."""
        return self.second - self.first

    @property
    def beyond_chance(self) -> bool:
        """Whether there is an interval, and it leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def sentence(self) -> str:
        """Whether the difference is larger than chance, in words."""
        if self.first == self.second and not self.low < self.high:
            return NO_DIFFERENCE
        if math.isnan(self.low) or math.isnan(self.high):
            return "no interval"
        if not self.beyond_chance:
            return "not larger than chance"
        return f"{'better' if self.value > 0 else 'worse'}, by more than chance"


def intervals(results: Mapping[str, Mapping[str, dict]]) -> dict:
    """95 % intervals of HOTA, MOTA and IDF1 for one source: sequence to class to result, see `metrics`.

    ``{"sequences": S, "level": 0.95, "pooled": {metric: [low, high]}, "classes": {name: {metric: [low, high]}}}``,
    6 digits. In the place of a table of bounds stands a text that says why there is none, where fewer than five
    sequences have ground truth of the class.
    """
    parts = parts_of(results)
    classes = {name: _bounds(parts.sums[:, number]) for number, name in enumerate(parts.classes)}
    pool = _bounds(parts.sums.sum(axis=1))
    return {"sequences": len(parts.sequences), "level": LEVEL, "pooled": pool, "classes": classes}


def differences(first: Parts, second: Parts, name: str | None = None) -> list[Difference] | None:
    """HOTA, MOTA and IDF1 of two runs over the same sequences, of class ``name`` or pooled over all.

    Both runs take the same draws, so that what is common to them (hard sequences) does not widen the interval. None
    where fewer than five sequences have ground truth.
    """
    pair = [_of_class(parts, name) for parts in (first, second)]
    if annotated(pair[0]) < FEWEST:
        return None
    before, after = (scores_of(resampled(sums)) for sums in pair)
    low, high = np.nanpercentile(after - before, percentiles(annotated(pair[0])), axis=0)
    return _gathered(pair, low, high)


def plain_differences(first: Parts, second: Parts) -> list[Difference]:
    """As `differences`, pooled over all classes, without bounds (NaN) however few sequences there are."""
    unknown = np.full(len(METRICS), np.nan)
    return _gathered([_of_class(parts, None) for parts in (first, second)], unknown, unknown)


def annotated(sums: np.ndarray) -> int:
    """How many of (S, 83) sums are of sequences with ground truth."""
    return int(np.isfinite(scores_of(sums)[:, 0]).sum())


def percentiles(sequences: int) -> tuple[float, float]:
    """Between which percentiles of the draws the interval of so many sequences lies."""
    reach = stdtrit(sequences - 1, (1 - LEVEL) / 2) * np.sqrt(sequences / (sequences - 1))
    return 100 * float(ndtr(reach)), 100 * float(ndtr(-reach))


def resampled(sums: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """(S, 83) sums of sequences to (R, 83) sums of draws, the same for the same number of sequences."""
    return draws(len(sums), resamples) @ sums


@lru_cache(maxsize=1)
def draws(sequences: int, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each draw has each sequence: (R, S) float64, every row sums to S; not to be written to."""
    shares = np.full(sequences, 1 / sequences)
    return generator(0, "bootstrap", sequences).multinomial(sequences, shares, resamples).astype(np.float64)


def _bounds(sums: np.ndarray) -> dict[str, list[float]] | str:
    count = annotated(sums)
    if count < FEWEST:
        return f"none: {count} of {len(sums)} sequences have ground truth, an interval needs {FEWEST}"
    found = np.nanpercentile(scores_of(resampled(sums)), percentiles(count), axis=0)
    return {name: [round(float(value), 6) for value in pair] for name, pair in zip(METRICS, found.T, strict=True)}


def _of_class(parts: Parts, name: str | None) -> np.ndarray:
    return parts.sums.sum(axis=1) if name is None else parts.sums[:, parts.classes.index(name)]


def _gathered(pair: list[np.ndarray], low: np.ndarray, high: np.ndarray) -> list[Difference]:
    whole = [scores_of(sums.sum(axis=0)) for sums in pair]
    return [Difference(*map(_plain, each)) for each in zip(METRICS, *whole, low, high, strict=True)]


def _plain(value: object) -> object:
    return value if isinstance(value, str) else float(value)
