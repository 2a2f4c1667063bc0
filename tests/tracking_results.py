"""A few made-up walks with their tracks, and what they score, for tests of what comes after scoring."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stages.scoring.metrics import score_sequence
from stages.sequences.tracks import Tracks

CLASSES = ("person", "car")
_LENGTH = 15


def results_of(numbers: Iterable[int], noise: float = 3.0) -> dict[str, dict[str, dict]]:
    """Sequence to class to result, see `walks`; more ``noise`` makes worse tracks of the same truth."""
    return {f"s{number}": _score(*walks(number, noise)) for number in numbers}


def _score(gt: np.ndarray, tracks: Tracks, length: int) -> dict[str, dict]:
    return score_sequence(gt, gt[:, 7].astype(np.int64) - 1, tracks, length, CLASSES, "gt")


def walks(number: int, noise: float = 3.0) -> tuple[np.ndarray, Tracks, int]:
    """Persons (class 1) and cars (2) walk past each other, tracked with holes, switches and false alarms.

    Sequence 7 has no car and sequence 2 no tracks. ``noise`` is in pixels. Returns (N, 9) ground truth, its tracks and
    the sequence's length.
    """
    rng = np.random.default_rng(number)
    rows = [
        [frame, who, 40 * who + frame * (who % 3), 50 * (who % 2), 20, 40, 1, 1 + who % 2, 1]
        for frame in range(1, _LENGTH + 1)
        for who in range(4 + number % 3)
        if number != 7 or who % 2 == 0
    ]
    gt = np.array(rows, float)
    seen = gt[rng.random(len(gt)) < 0.9] if number != 2 else gt[:0]
    boxes = seen[:, 2:6] + rng.normal(0, noise, (len(seen), 4)) * [1, 1, 0.3, 0.3]
    ids = np.where((seen[:, 1] < 2) & (seen[:, 0] > 8), 10 + seen[:, 1], seen[:, 1]).astype(np.int64)
    return gt, Tracks(seen[:, 0].astype(np.int64), ids, boxes, seen[:, 7].astype(np.int64) - 1), _LENGTH
