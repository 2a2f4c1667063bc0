"""HOTA of a sequence cut after any frame, all classes pooled: what a video shows while it runs.

HOTA matches each frame by how well object and track go together over the whole sequence, so what comes later can change
the matches of an earlier frame, and scoring every cut would match all of them again. But where no two boxes compete for
one, there is one way to match; where some do, there are a few, which are listed once. What a cut takes is then to weigh
them, all frames at once. Frames with too many ways, or whose best ways weigh the same, are left to the solver that
`QuickHOTA` asks. The values are those of `QuickHOTA` and `metrics.pooled`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.scoring.contests import contests
from stages.scoring.hota import QuickHOTA

_EPSILON = np.finfo(float).eps
_TIED = 1e-12  # the difference up to which two ways are taken to weigh the same
_ALPHAS = QuickHOTA().array_labels  # HOTA's 19 thresholds


class RunningHOTA:
    """HOTA up to any frame; ``classes`` is `adapter.class_data` of each."""

    def __init__(self, classes: Sequence[dict]):
        self._classes = [_Class(data) for data in classes]

    def after(self, frame: int) -> float | None:
        """HOTA (0 to 1) of the frames 1 ... ``frame``; None as long as there was no target."""
        sums = [each.sums(frame) for each in self._classes]
        targets, boxes = (sum(each[place] for each in sums) for place in (0, 1))
        if not targets:
            return None
        found, association = (sum(each[place] for each in sums) for place in (2, 3))
        detection = found / np.maximum(1, targets + boxes - found)
        return float(np.sqrt(detection * (association / np.maximum(1, found))).mean())


class _Class:
    """Every overlap (E,) of a target with a track box of one class, frame by frame, and which of them compete."""

    def __init__(self, data: dict):
        self._data = data
        frames = [_overlaps(data, time) for time in range(data["num_timesteps"])]
        columns = zip(*frames, strict=True) if frames else [()] * len(_Overlaps._fields)
        self._ends, (self._gt_ids, self._track_ids, pairs, self._values, self._shares) = _joined(columns)
        self._pairs, self._pair = np.unique(pairs, return_inverse=True)
        self._level = np.searchsorted(_ALPHAS - _EPSILON, self._values, side="right")  # thresholds passed, 0 to 19
        self._list_ways()

    def _list_ways(self) -> None:
        """Overlaps that are matches anyway, ways to match where some compete, and frames left to the solver."""
        self._hard: list[int] = []
        sure, members, starts, groups, times, ends = [], [], [0], [], [], [(0, 0)]
        for time, similarity in enumerate(self._data["similarity_scores"]):
            first, listed = self._ends[2][time], contests(*np.nonzero(similarity))
            if listed is None:
                self._hard.append(time)
            for ways in listed or ():
                if len(ways) == 1:
                    sure += [first + place for place in ways[0]]
                    continue
                for way in ways:
                    members += [first + place for place in way]
                    starts.append(len(members))
                groups += [len(times)] * len(ways)
                times.append(time)
            ends.append((len(sure), len(groups)))
        self._sure, self._members, self._starts, self._groups = (
            np.array(x, np.int64) for x in (sure, members, starts, groups)
        )
        self._times, self._listed = np.array(times, np.int64), ends

    def sums(self, frame: int) -> tuple[int, int, np.ndarray, np.ndarray]:
        """Targets, track boxes, matches (19,) and the sum of their pairs' association (19,), up to ``frame``."""
        targets, boxes, overlaps = (ends[frame] for ends in self._ends[:3])
        objects = np.bincount(self._gt_ids[:targets], minlength=self._data["num_gt_ids"])
        tracks = np.bincount(self._track_ids[:boxes], minlength=self._data["num_tracker_ids"])
        of_object, of_track = np.divmod(self._pairs, max(1, len(tracks)))
        either = objects[of_object] + tracks[of_track]
        together = np.bincount(self._pair[:overlaps], self._shares[:overlaps], len(self._pairs))
        alignment = np.divide(together, either - together, out=np.zeros(len(either)), where=together > 0)
        matches = self._matches(frame, alignment[self._pair[:overlaps]] * self._values[:overlaps])
        levels = len(_ALPHAS) + 1
        counts = np.bincount(self._pair[matches] * levels + self._level[matches], minlength=levels * len(self._pairs))
        passed = counts.reshape(-1, levels)[:, ::-1].cumsum(axis=1)[:, -2::-1]  # (pairs, 19)
        association = passed * passed / np.maximum(1, either[:, None] - passed)
        return targets, boxes, passed.sum(axis=0), association.sum(axis=0)

    def _matches(self, frame: int, weights: np.ndarray) -> np.ndarray:
        """Which of the overlaps with ``weights`` (E,) are matches."""
        sure, ways = self._listed[frame]
        chosen, tied = self._best_ways(ways, weights)
        matches = np.concatenate([self._sure[:sure], chosen])
        hard = [*self._hard[: bisect_left(self._hard, frame)], *tied]
        solved = [self._solved(time, weights) for time in hard]
        return np.unique(np.concatenate([matches, *solved])) if hard else matches

    def _best_ways(self, count: int, weights: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """The overlaps of the ways that weigh most; frames where two weigh the same are left out, and named."""
        if not count:
            return np.zeros(0, np.int64), []
        starts, groups = self._starts[: count + 1], self._groups[:count]
        members = self._members[: starts[-1]]
        sums = np.add.reduceat(weights[members], starts[:-1])
        best = np.maximum.reduceat(sums, np.flatnonzero(np.diff(groups, prepend=-1)))
        wins = sums >= best[groups] - _TIED
        tied = np.unique(self._times[np.flatnonzero(np.bincount(groups[wins]) > 1)])
        if len(tied):
            wins &= ~np.isin(self._times[groups], tied)
        return members[np.repeat(wins, np.diff(starts))], tied.tolist()

    def _solved(self, time: int, weights: np.ndarray) -> np.ndarray:
        """The overlaps of a frame that the solver matches."""
        similarity = self._data["similarity_scores"][time]
        places = np.full(similarity.shape, -1)
        own = np.arange(self._ends[2][time], self._ends[2][time + 1])
        places[np.nonzero(similarity)] = own
        table = np.zeros(similarity.shape)
        table[places >= 0] = weights[own]
        found = places[linear_sum_assignment(table, maximize=True)]
        return found[found >= 0]


class _Overlaps(NamedTuple):
    """One frame."""

    gt_ids: np.ndarray  # (G,)
    track_ids: np.ndarray  # (T,)
    pairs: np.ndarray  # (E,) object * number of tracks + track
    values: np.ndarray  # (E,) IoU
    shares: np.ndarray  # (E,) as in `hota`: of all IoU that either box has in the frame


def _overlaps(data: dict, time: int) -> _Overlaps:
    gt_ids, track_ids, similarity = (data[name][time] for name in ("gt_ids", "tracker_ids", "similarity_scores"))
    rows, columns = np.nonzero(similarity)
    values = similarity[rows, columns]
    both = similarity.sum(axis=0)[columns] + similarity.sum(axis=1)[rows] - values
    return _Overlaps(
        gt_ids, track_ids, gt_ids[rows] * data["num_tracker_ids"] + track_ids[columns], values, values / both
    )


def _joined(columns: Iterable[Sequence[np.ndarray]]) -> tuple[list[list[int]], list[np.ndarray]]:
    """For each column where its frames end, from 0 before the first, and all frames as one array."""
    columns = list(columns)
    ends = [[0, *accumulate(map(len, frames))] for frames in columns]
    kinds = (np.int64, np.int64, np.int64, np.float64, np.float64)
    return ends, [np.concatenate([np.zeros(0, kind), *frames]) for kind, frames in zip(kinds, columns, strict=True)]
