"""What the training loop tells those who watch it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """An optimizer step that is done.

    ``epoch`` of ``epochs`` and ``step`` of ``steps`` count from 1 over the whole stage. ``losses``: `loss` and its
    parts, means over the step's frames; ``rates``: the learning rate of every part, as applied; ``memory_mb``: the
    peak so far, of the process or, on a GPU, of its allocator; ``waited``: the share of the time so far that was
    spent waiting for data; ``seconds``: the training so far took, over all resumes.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: dict[str, float]
    rates: dict[str, float]
    images_per_second: float
    memory_mb: float
    waited: float
    seconds: float
    seconds_left: float


class Watcher:
    """One who watches a stage train; does nothing of itself."""

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Training begins; ``done`` steps of it were done before a resume. ``settings`` may be nested."""

    def step(self, step: Step) -> None:
        """An optimizer step is done."""

    def epoch(self, row: dict) -> None:
        """An epoch is done; ``row`` has `epoch`, learning rates, mean losses and, where validated, scores."""

    def note(self, text: str) -> None:
        """Something to tell in a line."""

    def flush(self) -> None:
        """The run's state may be saved now: a resume should find all that was told. Comes with every step."""

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Training has ended, and ``row`` is its result; no ``checkpoint``: it stopped before it had one."""

    @contextmanager
    def ending(self) -> Iterator[None]:
        """An error inside ends what is watched before it goes on."""
        try:
            yield
        except BaseException:
            self.end(None, {})
            raise


class Watchers(Watcher):
    """Tells several watchers, in their order."""

    def __init__(self, watchers: Sequence[Watcher] = ()):
        self._watchers = tuple(watchers)

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.begin(stage, settings, done)

    def step(self, step: Step) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.step(step)

    def epoch(self, row: dict) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.epoch(row)

    def note(self, text: str) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.note(text)

    def flush(self) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.flush()

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Tell them all."""
        for watcher in self._watchers:
            watcher.end(checkpoint, row)
