"""In which order a run sees its clips: a function of the seed, whatever the memory, the processes and the resumes.

A run is a sequence of optimizer steps. Each takes a window of micro-batches (fewer clips at an epoch's end, so that
every clip is seen once an epoch); with several processes, these take the window's micro-batches in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler

from stages.sequences.seeds import generator
from stages.training.samples import Place


@dataclass(frozen=True)
class Window:
    """What an optimizer step sees: the clips from place ``start`` in the order of ``epoch`` (from 1) on, in cuts.

    ``batches`` are the micro-batches of this process, each with the place of its first clip in the epoch's order;
    ``clips`` counts those of all processes.
    """

    epoch: int
    clips: int
    batches: tuple[tuple[int, tuple[Place, ...]], ...]


class RunOrder(Sampler):
    """The micro-batches of process ``rank`` of ``processes``, over all epochs, as lists of places.

    ``sides`` are the image sides that a step draws one of; ``start`` steps are skipped by a run that goes on in the
    middle.
    """

    def __init__(
        self,
        clips: int,
        clips_per_batch: int,
        accumulate: int,
        epochs: int,
        seed: int,
        sides: tuple[int, ...],
        rank: int = 0,
        processes: int = 1,
    ):
        self._clips, self._size, self._seed, self._sides = clips, clips_per_batch, seed, sides
        self._rank, self._processes, self.epochs, self.start = rank, processes, epochs, 0
        self._span = clips_per_batch * accumulate * processes  # clips of a full window
        self._permutation = lru_cache(maxsize=2)(self._permuted)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one epoch."""
        return -(-self._clips // self._span)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    def window(self, step: int) -> Window:
        """What step ``step`` (from 0) sees."""
        epoch, place = divmod(step, self.steps_per_epoch)
        first = place * self._span
        clips = self._permutation(epoch + 1)[first : first + self._span]
        side = self._sides[int(generator(self._seed, "side", epoch + 1, place).integers(len(self._sides)))]
        cuts = range(0, len(clips), self._size)[self._rank :: self._processes]
        batches = tuple(
            (first + cut, tuple((epoch + 1, int(clip), side) for clip in clips[cut : cut + self._size])) for cut in cuts
        )
        return Window(epoch + 1, len(clips), batches)

    def __len__(self) -> int:
        return sum(len(self.window(step).batches) for step in range(self.start, self.steps))

    def __iter__(self) -> Iterator[list[Place]]:
        for step in range(self.start, self.steps):
            for _, places in self.window(step).batches:
                yield list(places)

    def _permuted(self, epoch: int) -> np.ndarray:
        return generator(self._seed, "order", epoch).permutation(self._clips)
