"""Training as one sees it: a live bar on a terminal; elsewhere plain lines, one an epoch and few between."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from stages.watching.watcher import Step, Watcher

_REDRAW = 0.1  # seconds between two pictures of the bar
_LINES = 30.0  # seconds between two lines where there is no terminal
_BAR = 10  # characters
_ROOM = _BAR + 8  # characters for the bar with its percentage
# What is left out, first one first, of a line that is too long.
_DISPENSABLE = ("parts", "memory", "stage", "images", "rates", "epoch")


class Bar(Watcher):
    """Shows a stage's progress on ``stream`` (stderr if none is given), which is a terminal or not.

    On a terminal every epoch and note leaves a line of its own above the bar. ``clock`` gives seconds;
    ``columns`` is the terminal's width where it is not to be asked.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic, columns: int | None = None
    ):
        self._stream = sys.stderr if stream is None else stream
        self._clock, self._columns = clock, columns
        self._stage, self._done, self._shown = "", 0, 0.0
        self._latest: Step | None = None
        self._bar: Any = None

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """The bar itself appears with the first step."""
        self._stage, self._done, self._shown = stage, done, self._clock()

    def step(self, step: Step) -> None:
        """Redraw the bar, or write a line, if the last time is long enough ago."""
        self._latest = step
        if self._stream.isatty():
            self._draw(step)
        elif self._clock() - self._shown >= _LINES:
            self._write(f"{self._stage}: {', '.join(pieces(step).values())}")

    def epoch(self, row: dict) -> None:
        """Write the epoch's line."""
        epochs = f"/{self._latest.epochs}" if self._latest else ""
        values = [f"{key} {_number(value)}" for key, value in row.items() if key != "epoch" and value is not None]
        self._write(f"{self._stage}: epoch {row['epoch']}{epochs}: {', '.join(values)}")

    def note(self, text: str) -> None:
        """Write the text as a line; it does not count as one about progress."""
        self._write(text, self._shown)

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Take the bar away and say where the checkpoint is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if checkpoint is not None:
            self._write(f"{self._stage}: {checkpoint}")

    def _draw(self, step: Step) -> None:
        now = self._clock()
        if self._bar is None:
            self._bar = _make_bar(step, self._done, self._stream)
        elif now - self._shown < _REDRAW and step.step < step.steps:
            return
        self._shown = now
        width = self._columns or _width(self._stream)
        self._bar.ncols, self._bar.n = width, step.step
        self._bar.set_description_str(_fitted({"stage": self._stage} | pieces(step), width - _ROOM))

    def _write(self, line: str, shown: float | None = None) -> None:
        self._shown = self._clock() if shown is None else shown
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.write(line, file=self._stream)


def pieces(step: Step) -> dict[str, str]:
    """What is shown of a step, in its order."""
    parts = [f"{name.removeprefix('loss_')} {_number(value)}" for name, value in step.losses.items() if name != "loss"]
    rates = dict.fromkeys(_number(rate) for rate in step.rates.values())
    return {
        "epoch": f"epoch {step.epoch}/{step.epochs}",
        "step": f"step {step.step}/{step.steps}",
        "loss": f"loss {_number(step.losses['loss'])}",
        "parts": f"({', '.join(parts)})",
        "rates": f"lr {'/'.join(rates)}",
        "images": f"{step.images_per_second:.3g} img/s",
        "memory": f"{step.memory_mb:.0f} MB",
        "left": f"{_duration(step.seconds_left)} left",
    }


def _fitted(shown: dict[str, str], width: int) -> str:
    """As much of ``shown`` as ``width`` characters hold."""
    left_out: set[str] = set()
    for name in ("", *_DISPENSABLE):
        left_out.add(name)
        line = "  ".join(text for key, text in shown.items() if key not in left_out)
        if len(line) <= width:
            break
    return line


def _make_bar(step: Step, done: int, stream: TextIO) -> Any:
    from tqdm import tqdm

    class Plain(tqdm):
        """No thread of its own: loader workers are forked from this process."""

        monitor_interval = 0

    layout = f"{{percentage:3.0f}}%|{{bar:{_BAR}}}| {{desc}}"
    return Plain(total=step.steps, initial=done, file=stream, bar_format=layout, mininterval=0, miniters=1, leave=False)


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03`, `2:03`."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
