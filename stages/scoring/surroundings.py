"""Which boxes overlap which, through a whole sequence at once: rows of events meet the boxes of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.scoring.matching import NONE

_EVENTS = 4000  # looked at together: with 50 boxes a frame, 200,000 pairs and some 20 MB


@dataclass(frozen=True)
class Pairs:
    """Boxes of events that overlap other boxes of their frame, event by event."""

    events: np.ndarray  # (P,) from 0
    rows: np.ndarray  # (P,) of the other boxes
    iou: np.ndarray  # (P,) above 0
    shares: np.ndarray  # (P,) of the event's own box inside the other


def overlaps(boxes: np.ndarray, times: np.ndarray, others: np.ndarray, frames: Sequence[np.ndarray]) -> Pairs:
    """All overlapping pairs of ``boxes`` (E, 4) in the frames ``times`` (E,), from 0, with ``others`` (N, 4).

    ``frames`` are the rows of ``others`` that each frame has; boxes are left, top, width, height in pixels.
    """
    slices = [slice(start, start + _EVENTS) for start in range(0, max(len(boxes), 1), _EVENTS)]
    rows = np.concatenate([*frames, np.zeros(0, np.int64)])
    ends = np.cumsum(np.array([len(each) for each in frames], np.int64))
    blocks = [_pairs(boxes[each], times[each], others, rows, ends, each.start) for each in slices]
    return Pairs(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def _pairs(
    boxes: np.ndarray, times: np.ndarray, others: np.ndarray, rows: np.ndarray, ends: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    counts = np.diff(ends, prepend=0)[times]
    events = np.repeat(np.arange(len(boxes)), counts)
    within = np.arange(len(events)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = rows[np.repeat(ends[times] - counts, counts) + within]
    own, other = boxes[events], others[rows]
    sides = np.minimum(own[:, :2] + own[:, 2:], other[:, :2] + other[:, 2:]) - np.maximum(own[:, :2], other[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    meet = shared > 0
    events, rows, shared = events[meet], rows[meet], shared[meet]
    area, others_area = boxes[:, 2:].prod(axis=1)[events], others[rows, 2:].prod(axis=1)
    return first + events, rows, shared / (area + others_area - shared), shared / area


def nearest(pairs: Pairs, count: int) -> np.ndarray:
    """The row that each of ``count`` events overlaps most by IoU, the first of equals; `NONE` where there is none."""
    most = np.zeros(count)
    np.maximum.at(most, pairs.events, pairs.iou)
    best = np.flatnonzero(pairs.iou == most[pairs.events])[::-1]
    result = np.full(count, NONE)
    result[pairs.events[best]] = pairs.rows[best]
    return result


def iou_with(pairs: Pairs, rows: np.ndarray) -> np.ndarray:
    """Each event's IoU with one row, (E,) to (E,); 0 where they do not overlap."""
    result = np.zeros(len(rows))
    same = pairs.rows == rows[pairs.events]
    result[pairs.events[same]] = pairs.iou[same]
    return result


def crowding(pairs: Pairs, but: np.ndarray) -> np.ndarray:
    """The largest share of each event's box inside one other box, not counting the row ``but`` (E,)."""
    result = np.zeros(len(but))
    others = pairs.rows != but[pairs.events]
    np.maximum.at(result, pairs.events[others], pairs.shares[others])
    return result
