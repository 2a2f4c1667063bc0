"""Sets of byte ranges, and the plan by which the missing ones are asked for. A span is (first byte, byte behind it)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise

Span = tuple[int, int]

PIECE = 4 << 20  # bytes: the most that one request asks for
WASTE = 0.03  # of what is needed: bytes fetched to save requests
GAP = 256 << 10  # bytes: no wider gap is worth fetching instead of a second request


class Ranges:
    """Disjoint spans in ascending order; spans that touch are one."""

    def __init__(self, spans: Iterable[Span] = ()):
        self._starts: list[int] = []
        self._ends: list[int] = []
        for span in spans:
            self.add(*span)

    @property
    def spans(self) -> list[Span]:
        """The spans, ascending."""
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def total(self) -> int:
        """How many bytes they hold."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add a span."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def discard(self, start: int, end: int) -> None:
        """Take a span out."""
        if start >= end:
            return
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        touched = list(zip(self._starts[first:last], self._ends[first:last], strict=True))
        left = [(a, min(b, start)) for a, b in touched if a < start]
        right = [(max(a, end), b) for a, b in touched if b > end]
        self._starts[first:last] = [a for a, _ in left + right]
        self._ends[first:last] = [b for _, b in left + right]

    def missing(self, start: int, end: int) -> list[Span]:
        """What of a span is not in here."""
        found = []
        for index in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            if start < self._starts[index]:
                found.append((start, self._starts[index]))
            start = max(start, self._ends[index])
        return [*found, (start, end)] if start < end else found


def plan(missing: Ranges, done: Ranges) -> list[Span]:
    """The requests that bring ``missing``: neighbours joined, each at most `PIECE` long.

    A gap between two spans is fetched with them as long as it holds nothing that is ``done``, is at most `GAP` wide,
    and all such gaps together, narrowest first, are at most `WASTE` of what is missing.
    """
    spans = missing.spans
    gaps = [(left[1], right[0]) for left, right in pairwise(spans)]
    budget, swallowed = WASTE * missing.total, []
    for start, end in sorted(gaps, key=lambda gap: (gap[1] - gap[0], gap)):
        if end - start > min(GAP, budget):
            break
        if done.missing(start, end) == [(start, end)]:
            budget -= end - start
            swallowed.append((start, end))
    return [piece for span in Ranges(spans + swallowed).spans for piece in _cut(*span)]


def _cut(start: int, end: int) -> list[Span]:
    """A span in equal pieces."""
    count = -(-(end - start) // PIECE)
    edges = [start + (end - start) * part // count for part in range(count + 1)]
    return list(pairwise(edges))
