"""The worst moments of many sequences: windows of two seconds in which mistakes concentrate.

Mistakes are weighed in box-seconds, so that frame rates do not matter: a missed box or a false alarm counts for as long
as its frame lasts. A switch of identity is over within a frame, but what follows goes by another name: it counts as
much as a box that is missed for a second. The window that weighs most comes first, then the one that weighs most among
those that share no frame with it, and so on; windows without a mistake are none. Of equals, the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SECONDS = 2.0  # of a window
SWITCH_SECONDS = 1.0  # for which a box would have to be missed to weigh as much as a switch

Name = tuple[str, str]  # source and sequence


@dataclass(frozen=True)
class Counts:
    """How many mistakes each frame of a sequence has, (length,) each."""

    fps: float
    misses: np.ndarray
    false_alarms: np.ndarray
    switches: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The weight of each frame's mistakes in box-seconds, (length,)."""
        return (self.misses + self.false_alarms) / self.fps + SWITCH_SECONDS * self.switches


@dataclass(frozen=True)
class Moment:
    """One window: frames ``first`` ... ``last`` of a sequence, from 1."""

    source: str
    sequence: str
    fps: float
    first: int
    last: int
    worst: int  # the frame whose mistakes weigh most
    weight: float
    misses: int
    false_alarms: int
    switches: int


def worst_moments(sequences: Mapping[Name, Counts], most: int) -> list[Moment]:
    """At most ``most`` moments, the worst first."""
    found = [moment for name, counts in sequences.items() for moment in _moments(name, counts, most)]
    return sorted(found, key=lambda moment: -moment.weight)[:most]  # stable


def _moments(name: Name, counts: Counts, most: int) -> list[Moment]:
    """The worst windows of one sequence, no two of which share a frame."""
    weights = counts.weights
    length = min(len(weights), max(1, round(SECONDS * counts.fps)))
    sums = np.convolve(weights, np.ones(length), mode="valid").round(9)  # so that equals are equal
    found = []
    for _ in range(most):
        start = int(np.argmax(sums))
        if sums[start] <= 0:
            break
        found.append(_moment(name, counts, weights, start, start + length))
        sums[max(0, start - length + 1) : start + length] = 0
    return found


def _moment(name: Name, counts: Counts, weights: np.ndarray, start: int, end: int) -> Moment:
    window = slice(start, end)
    return Moment(
        *name,
        fps=counts.fps,
        first=start + 1,
        last=end,
        worst=start + 1 + int(np.argmax(weights[window])),
        weight=float(weights[window].sum().round(9)),
        misses=int(counts.misses[window].sum()),
        false_alarms=int(counts.false_alarms[window].sum()),
        switches=int(counts.switches[window].sum()),
    )
