"""Which mistakes are explained: the worst of each source, no target and no track twice, spread over sequences.

A miss is the worse the less excuses it. First counts its cause: `other` (nothing stood in the way), then `gap`,
`border`, `crowded`, `small`, `occluded`; of one cause the size in pixels, times the visible share (1 if not known),
times what lies in no other box (1 - crowding). A false alarm is the worse the surer the detector was and the less is
there: the score of the detection behind it, times 1 - IoU with the annotated box that it overlaps most; without a
detection 0.

From what is left, the next is always of the sequence, and then of the class, of which fewest were taken; then the
worst. A target, or a track, is taken once, in its worst frame: there may be fewer than were asked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from stages.explaining.boxes import area, iou_with
from stages.explaining.looking import FOUND
from stages.explaining.mistakes import FALSE_ALARM, MISS, Mistake

_EXCUSES = ("other", "gap", "border", "crowded", "small", "occluded")


class Found:
    """The detections of one sequence, (N, 7) see `read_detections`, asked for by frame, class and place."""

    def __init__(self, table: np.ndarray, classes: Sequence[str]):
        self._table, self._classes = table[np.argsort(table[:, 0], kind="stable")], list(classes)

    def at(self, mistake: Mistake) -> np.ndarray | None:
        """The detection of a mistake's class that overlaps its box most, (5,) x1 y1 x2 y2 and score.

        None where none overlaps it by `FOUND`.
        """
        rows = self.of_class(mistake)
        overlap = iou_with(mistake.box, rows[:, :4])
        return rows[np.argmax(overlap)] if overlap.max(initial=0) >= FOUND else None

    def of_class(self, mistake: Mistake) -> np.ndarray:
        """All detections of a mistake's class in its frame, (n, 5) x1 y1 x2 y2 and score."""
        start, stop = np.searchsorted(self._table[:, 0], (mistake.frame, mistake.frame + 1))
        rows = self._table[start:stop]
        return rows[rows[:, 6] == self._classes.index(mistake.label), 1:6]


def choose(
    mistakes: Iterable[Mistake], found: Callable[[str, str], Found], sources: Iterable[str], count: int
) -> list[Mistake]:
    """Of each of ``sources`` at most ``count`` misses and as many false alarms, in the order taken.

    ``found`` gives the detections of a source's sequence; it is asked sequence by sequence, in the order of mistakes.
    """
    pool: dict[tuple[str, str], list[Mistake]] = {}
    for mistake in mistakes:
        pool.setdefault((mistake.source, mistake.kind), []).append(mistake)
    chosen: list[Mistake] = []
    for source in sources:
        misses, alarms = pool.get((source, MISS), []), pool.get((source, FALSE_ALARM), [])
        chosen += _spread(misses, [excuse(each) for each in misses], count)
        surer = [-falseness(each, found(each.source, each.sequence).at(each)) for each in alarms]
        chosen += _spread(alarms, [(value,) for value in surer], count)
    return chosen


def excuse(miss: Mistake) -> tuple[float, ...]:
    """How well a miss is excused: the smaller, the worse it is."""
    seen = 1.0 if miss.visibility is None else miss.visibility
    rank = _EXCUSES.index(miss.cause) if miss.cause in _EXCUSES else len(_EXCUSES)
    return rank, -math.sqrt(area(miss.box)) * seen * (1 - miss.crowding)


def falseness(alarm: Mistake, detection: np.ndarray | None) -> float:
    """How false an alarm is, 0 to 1, given the ``detection`` behind it."""
    return 0.0 if detection is None else float(detection[4]) * (1 - alarm.iou)


def _spread(mistakes: Sequence[Mistake], ranks: Sequence[tuple[float, ...]], count: int) -> list[Mistake]:
    """The ``count`` with the lowest ranks, with the order that the module describes."""
    worst: dict[tuple, tuple] = {}  # of each target or track
    for place, (mistake, rank) in enumerate(zip(mistakes, ranks, strict=True)):
        worst[mistake.subject] = min(worst.get(mistake.subject, (rank, place)), (rank, place))
    left = [mistakes[place] for _, place in sorted(worst.values())]
    taken: list[Mistake] = []
    sequences, labels = Counter(), Counter()
    while left and len(taken) < count:
        best = min(left, key=lambda each: (sequences[each.sequence], labels[each.label]))  # the first, so the worst
        left.remove(best)
        taken.append(best)
        sequences[best.sequence] += 1
        labels[best.label] += 1
    return taken
