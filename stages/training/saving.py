"""When a run is saved, and when it stops before its end: on a signal, or when who started it has gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from stages import STARTER
from stages.errors import InputError
from stages.training.processes import LAUNCHER, Processes
from stages.training.scratch import Scratch
from stages.training.state import RunState

_COST = 1 / 80  # of the time, at most, goes into saving: under the promised 2 %
_SOONEST = 1.0  # seconds from one save to the next
_GO_ON, _STOP = 0, 1


class Stopped(InputError):
    """The run was told to stop; what it was is saved."""


class Saves:
    """Saves a run between steps, and stops it there."""

    def __init__(self, name: str, scratch: Scratch, processes: Processes, before: Callable[[], None] = lambda: None):
        """``before`` is called before every save."""
        self._name, self._scratch, self._processes, self._before = name, scratch, processes, before
        self._launcher = int(os.environ.get(LAUNCHER, 0))
        self._signal: int | None = None
        self._next = time.monotonic() + _SOONEST
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._told)

    def between_steps(self, state: RunState, finished: bool) -> None:
        """Save where it is time, or the run's end; raises `Stopped` where the run is to stop."""
        stop = self._processes.worst(_STOP if self._reason() else _GO_ON) == _STOP
        if stop or finished or time.monotonic() >= self._next:
            self.save(state)
        if stop and not finished:
            reason = self._reason() or "another process was stopped"
            raise Stopped(
                self._name, f"{reason}: saved after step {state.progress.step}", "run again: it goes on there"
            )

    def save(self, state: RunState) -> None:
        """Save now. One process does."""
        start = time.monotonic()
        self._before()
        if self._processes.rank == 0:
            self._scratch.save(state.tensors(), state.up_to_date())
        took = time.monotonic() - start
        state.progress.saving_seconds += took
        self._next = time.monotonic() + max(_SOONEST, took / _COST)

    def keep(self, epoch: int, state: RunState) -> None:
        """Put an epoch's weights aside."""
        if self._processes.rank == 0:
            self._scratch.keep(epoch, state.average())
        state.progress.kept.append(epoch)

    def _reason(self) -> str | None:
        if self._signal is not None:
            return f"stopped by {signal.Signals(self._signal).name}"
        if STARTER.has_ended():
            return "the dvc that started it has ended"
        if self._launcher and not _lives(self._launcher):
            return "the process that launched it has ended"
        return None

    def _told(self, number: int, frame: FrameType | None) -> None:
        """The first signal stops at the next step; a second one at once."""
        self._signal = number
        signal.signal(number, signal.SIG_DFL)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
