"""One test sequence's tracks judged for a video: every box's verdict, and HOTA and switches up to each frame.

Reads a sequence's ground truth (see `heldout`) and its tracks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.scoring.adapter import frames_of
from stages.scoring.heldout import HeldOut
from stages.scoring.mistakes import Scene
from stages.scoring.moments import Counts
from stages.scoring.running import RunningHOTA
from stages.scoring.verdicts import FALSE_ALARM, MISS, SWITCH, Verdict, class_frames, judge
from stages.sequences.tracks import Tracks

_UPDATES = 2.0  # of HOTA, a second


class Judgement:
    """The verdicts on a sequence, and its running scores; frames count from 1."""

    def __init__(self, each: HeldOut, tracks: Tracks, classes: Sequence[str]):
        """Judge ``tracks`` by the source's protocol; raises `InputError` as `adapter.frames_of`."""
        frames = frames_of(each.gt, each.roles, tracks, each.length, each.where, each.rules, each.size)
        scored = [class_frames(frames, number) for number in range(len(classes))]
        self._verdicts = judge(scored, Scene(each.gt, tracks, classes, *each.size, each.fps), each.roles)
        self._running = RunningHOTA([of_class.data for of_class in scored])
        self._switches = np.cumsum(self._verdicts.counts(SWITCH))
        self._length, self._fps = each.length, each.fps
        self._last: tuple[int, float | None] = (0, None)

    def verdicts(self, frame: int) -> list[Verdict]:
        """What became of the boxes of ``frame``."""
        return self._verdicts.of(frame)

    def scores(self, frame: int) -> tuple[float | None, int]:
        """HOTA (0 to 1, None before any target) and switches of the sequence up to ``frame``, all classes pooled.

        HOTA is brought up to date twice a second, and in the last frame.
        """
        step = max(1, round(self._fps / _UPDATES))
        up_to = frame if frame == self._length else (frame - 1) // step * step + 1
        if up_to != self._last[0]:
            self._last = up_to, self._running.after(up_to)
        return self._last[1], int(self._switches[frame - 1])

    def counts(self) -> Counts:
        """The mistakes of each frame."""
        counts = (self._verdicts.counts(kind) for kind in (MISS, FALSE_ALARM, SWITCH))
        return Counts(self._fps, *counts)
