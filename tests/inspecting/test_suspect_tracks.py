"""Jumps and gaps against tracks made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stages.formats.incoming import Incoming
from stages.inspecting.examine import Rendered
from stages.inspecting.findings import Finding
from stages.inspecting.tracks import find_gaps, find_jumps
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from tests.exploring_data import row, walker


def found(rows: list[tuple], fps: float, purpose: int = 0) -> tuple[Finding | None, Finding | None]:
    gt = np.array(rows, dtype=float)
    incoming = Incoming("walk", fps, Rendered([], (640, 480)), gt, lambda row: f"gt.txt:{row + 1}", "gt.txt")
    use = np.full(len(gt), purpose)
    return find_jumps(incoming, gt, use), find_gaps(incoming, gt, use)


def step(pixels: float, frames: int = 1) -> list[tuple]:
    """A box with a diagonal of 50 pixels that moves so far in so many frames."""
    return [row(1, 7, 0, 0, 30, 40), row(1 + frames, 7, pixels, 0, 30, 40)]


@pytest.mark.parametrize(
    ("rows", "fps", "jumps"),
    [
        (step(51), 30, 1),  # 1.02 diagonals in 1/30 s: 31 a second
        (step(49), 30, 0),  # faster than 25 a second, yet the boxes nearly touch
        (step(251), 5, 1),  # 25.1 a second
        (step(249), 5, 0),
        (step(400, frames=10), 10, 0),  # 8 diagonals in a second
        (step(400), 10, 1),
        ([row(1, 1, 0, 0, 1, 1), row(2, 1, 15, 0, 30, 40)], 30, 0),  # a sliver grows at the edge
        ([row(1, 1, 0, 0, 30, 40), row(2, 2, 500, 0, 30, 40)], 30, 0),  # two ids
    ],
)
def test_jumps(rows: list[tuple], fps: float, jumps: int):
    finding, _ = found(rows, fps)
    assert (finding.count if finding else 0) == jumps


def test_a_jump_says_what_moved_and_where():
    finding, _ = found(step(400), 10)
    assert str(finding.errors[0]) == (
        "gt.txt:2: id 7 jumps 400 pixels, 8.0 of its diagonals, in 0.1 s: look whether two objects share the id"
    )


def test_gaps():
    rows = [r for r in walker(range(1, 12)) if r[0] not in (3, 6, 7, 8)]
    _, finding = found(rows, 10)
    assert finding.count == 2
    assert [str(error).split(": as it")[0] for error in finding.errors] == [
        "gt.txt:3: id 1 comes back after frame 3 without it",
        "gt.txt:5: id 1 comes back after frames 6 to 8 without it",
    ]


@pytest.mark.parametrize(("purpose", "counted"), [(DISTRACTOR, True), (REGION, False), (DROP, False)])
def test_what_is_not_annotated_as_a_track_is_left_alone(purpose: int, counted: bool):
    jump, gap = found(step(400, frames=3), 30, purpose)
    assert (jump is not None, gap is not None) == (counted, counted)


def test_nothing_at_all():
    assert found([row(1, 1, 0, 0, 30, 40)], 10) == (None, None)
