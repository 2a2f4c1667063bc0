"""How fast a run goes, and what it waits for."""

from __future__ import annotations

import time
from collections import deque

from stages.training.state import Progress

_RECENT = 30  # steps whose pace is shown


class Pace:
    """Times a run's steps, from when it is made."""

    def __init__(self):
        self._begun = self._told = time.perf_counter()
        self._waiting = self._waiting_told = 0.0
        self._recent: deque[tuple[float, int]] = deque([(self._begun, 0)], maxlen=_RECENT + 1)

    def waited(self, seconds: float) -> None:
        """Time went by without data."""
        self._waiting += seconds

    def stepped(self, frames: int) -> None:
        """A step over so many frames is done."""
        self._recent.append((time.perf_counter(), frames))

    @property
    def images_per_second(self) -> float:
        """Of the last steps."""
        frames = sum(count for _, count in list(self._recent)[1:])
        return frames / max(1e-9, self._recent[-1][0] - self._recent[0][0])

    @property
    def share_waited(self) -> float:
        """The share of the time so far that was spent without data."""
        return self._waiting / max(1e-9, time.perf_counter() - self._begun)

    def seconds_left(self, steps: int) -> float:
        """For so many more steps, at the pace of the last."""
        return steps * (self._recent[-1][0] - self._recent[0][0]) / max(1, len(self._recent) - 1)

    def seconds(self, progress: Progress) -> float:
        """That the run took up to now, over all its processes' lives."""
        return progress.training_seconds + time.perf_counter() - self._told

    def add_to(self, progress: Progress, peak_memory_mb: float) -> None:
        """Bring the run's totals, which outlive this process, up to date."""
        now = time.perf_counter()
        progress.training_seconds += now - self._told
        progress.waiting_seconds += self._waiting - self._waiting_told
        progress.peak_memory_mb = max(progress.peak_memory_mb, peak_memory_mb)
        self._told, self._waiting_told = now, self._waiting
