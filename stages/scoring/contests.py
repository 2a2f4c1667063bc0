"""Which matches of a frame are in question: groups of overlapping boxes, and the ways to match within each."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_MOST = 10  # overlaps in a group whose ways are listed: 2^10 choices to go through

Pair = tuple[int, int]  # row and column of two boxes that overlap


def contests(rows: np.ndarray, columns: np.ndarray) -> list[list[tuple[int, ...]]] | None:
    """Every group of the overlaps (E,), and (E,), with its ways to match, each as places in them.

    Groups share no box, and a way is listed if no overlap can be added to it. None if a group is too large to list.
    """
    result = []
    for group in _groups(list(zip(rows.tolist(), columns.tolist(), strict=True))):
        if len(group) > _MOST:
            return None
        numbers: dict[tuple[str, int], int] = {}
        shape = tuple(
            (numbers.setdefault(("row", row), len(numbers)), numbers.setdefault(("column", column), len(numbers)))
            for row, column in group.values()
        )
        places = tuple(group)
        result.append([tuple(places[each] for each in way) for way in ways(shape)])
    return result


def _groups(pairs: list[Pair]) -> list[dict[int, Pair]]:
    """Places in ``pairs`` and the pairs, by group."""
    groups: list[tuple[set[int], set[int], dict[int, Pair]]] = []
    for place, (row, column) in enumerate(pairs):
        touched = [group for group in groups if row in group[0] or column in group[1]]
        groups = [group for group in groups if not any(group is each for each in touched)]
        among = {number: pair for group in touched for number, pair in group[2].items()} | {place: (row, column)}
        groups.append(({pair[0] for pair in among.values()}, {pair[1] for pair in among.values()}, among))
    return [among for _, _, among in groups]


@lru_cache(4096)
def ways(pairs: tuple[Pair, ...]) -> tuple[tuple[int, ...], ...]:
    """All ways to choose among ``pairs`` so that none share a row or a column and none can be added."""
    found = [()]
    for place in range(len(pairs)):
        found += [(*way, place) for way in found if _fits(pairs, way, place)]
    return tuple(way for way in found if not any(_fits(pairs, way, place) for place in range(len(pairs))))


def _fits(pairs: tuple[Pair, ...], way: tuple[int, ...], place: int) -> bool:
    row, column = pairs[place]
    return all(pairs[other][0] != row and pairs[other][1] != column for other in way)
