"""Intervals between a clip's frames: seconds in params.yaml, frames of each sequence's own clock in clips."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.mixtures.budgets import more_of
from stages.params import Params, where


@dataclass(frozen=True)
class Footage:
    """Sequences by name, with ``frames`` (S,) their lengths and ``fps`` (S,) their frames a second."""

    names: tuple[str, ...]
    frames: np.ndarray
    fps: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """How many frames stand before each sequence where all stand in one row, (S,)."""
        return np.cumsum(self.frames) - self.frames


def steps_of(interval: np.ndarray | float, fps: np.ndarray) -> np.ndarray:
    """Intervals in seconds as whole frames at ``fps`` frames a second, at least one."""
    return np.maximum(1, np.rint(interval * fps)).astype(np.int64)


def check_intervals(params: Params, stage: str, source: str, footage: Footage, size: int) -> None:
    """Every interval fits between the ``size`` frames of a clip in some sequence; raises `InputError`.

    Intervals that are the same number of frames in a sequence are said on stderr: there, clips follow that number of
    frames more often than others.
    """
    intervals = params.stages[stage].mixture.intervals if size > 1 else ()
    steps = [steps_of(interval, footage.fps) for interval in intervals]
    for number, interval in enumerate(intervals):
        if (1 + (size - 1) * steps[number] > footage.frames).all():
            longest = (footage.frames / footage.fps).max()
            what = f"no training sequence of `{source}` holds {size} frames {interval:g} s apart"
            what += f"; the longest lasts {longest:g} s"
            remedy = f"shorten it or clip_length, or {more_of(params, source)}"
            raise InputError(where(stage, "mixture", "intervals", number), what, remedy)
    if len(intervals) > 1:
        _warn_of_equal_steps(where(stage, "mixture", "intervals"), source, np.array(steps))


def _warn_of_equal_steps(place: str, source: str, steps: np.ndarray) -> None:
    """``steps`` is (intervals, sequences)."""
    ordered = np.sort(steps, axis=0)
    merged = int((ordered[1:] == ordered[:-1]).any(axis=0).sum())
    if merged:
        what = f"two of them are the same number of frames in {merged} of {steps.shape[1]} training sequences"
        print(f"warning: {place}: {what} of `{source}`", file=sys.stderr)
