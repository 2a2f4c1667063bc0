"""Tracks that look wrong: ids that jump across the image, and gaps."""

from __future__ import annotations

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import Incoming
from stages.inspecting.findings import MOST, Finding
from stages.sequences.annotations import DISTRACTOR, FRAME, HEIGHT, ID, LEFT, TOP, WIDTH

# A jump is faster than this many of the box's own diagonals a second. What moves on its own stays below 12 in MOT17 and
# TUD; seen from a turning car, in BDD100K, it reaches 23. It is also wider than one diagonal, so that the two boxes do
# not touch: at 30 frames a second a jitter of a few pixels in a small box is as fast as anything.
FASTEST = 25.0


def find_jumps(incoming: Incoming, gt: np.ndarray, use: np.ndarray) -> Finding | None:
    """Steps of a track that no object makes; ``gt`` (N, 9) in pixels, ``use`` (N,) see `annotations.purposes`."""
    before, after = steps(gt, use)
    centres = gt[:, LEFT : TOP + 1] + gt[:, WIDTH : HEIGHT + 1] / 2
    sides = np.hypot(gt[:, WIDTH], gt[:, HEIGHT])
    distance = np.hypot(*(centres[after] - centres[before]).T)
    diagonals = distance / np.maximum(sides[before], sides[after])  # of the larger: slivers appear at edges
    seconds = (gt[after, FRAME] - gt[before, FRAME]) / incoming.fps
    wrong = np.flatnonzero((diagonals > FASTEST * seconds) & (diagonals > 1))
    wrong = wrong[np.argsort(after[wrong])]

    def error(place: int) -> InputError:
        row = after[place]
        what = f"id {gt[row, ID]:g} jumps {distance[place]:.0f} pixels, {diagonals[place]:.1f} of its diagonals"
        return InputError(
            incoming.at(int(row)), f"{what}, in {seconds[place]:.2g} s", "look whether two objects share the id"
        )

    return _finding("jump", len(wrong), [error(place) for place in wrong[:MOST]])


def find_gaps(incoming: Incoming, gt: np.ndarray, use: np.ndarray) -> Finding | None:
    """Frames that a track leaves out between its first and its last; arguments as `find_jumps` has them."""
    before, after = steps(gt, use)
    first, last = gt[before, FRAME].astype(int) + 1, gt[after, FRAME].astype(int) - 1
    wrong = np.flatnonzero(first <= last)
    wrong = wrong[np.argsort(after[wrong])]

    def error(place: int) -> InputError:
        frames = f"frames {first[place]} to {last[place]}" if first[place] < last[place] else f"frame {first[place]}"
        what = f"id {gt[after[place], ID]:g} comes back after {frames} without it"
        return InputError(incoming.at(int(after[place])), what, "as it should be if it was hidden, else annotate it")

    return _finding("gap", len(wrong), [error(place) for place in wrong[:MOST]])


def steps(gt: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a track and the rows that follow them in it, (M,) both; of targets and distractors, which have ids."""
    rows = np.flatnonzero((use >= 0) | (use == DISTRACTOR))
    rows = rows[np.lexsort((gt[rows, FRAME], gt[rows, ID]))]
    before, after = rows[:-1], rows[1:]
    same = (gt[before, ID] == gt[after, ID]) & (gt[before, FRAME] < gt[after, FRAME])
    return before[same], after[same]


def _finding(kind: str, count: int, errors: list[InputError]) -> Finding | None:
    return Finding(kind, count, tuple(errors)) if count else None
