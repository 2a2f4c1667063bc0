"""Classes' colours."""

from __future__ import annotations

from matplotlib.colors import to_rgb

from stages.style import COLOURS


def class_colour(number: int) -> tuple[float, float, float]:
    """The lasting colour of a class, red, green and blue from 0 to 1; lighter for every seven classes before it."""
    return lighter(to_rgb(COLOURS[number % len(COLOURS)]), 0.4 * min(2, number // len(COLOURS)))


def lighter(tint: tuple[float, float, float], share: float) -> tuple[float, float, float]:
    """``tint`` with so much white in it."""
    return tuple(value + (1 - value) * share for value in tint)
