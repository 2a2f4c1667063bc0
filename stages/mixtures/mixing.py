"""The mixture of a stage: which clips, from which sequences, within the budgets that its params set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from stages.errors import InputError
from stages.mixtures.budgets import shortage
from stages.mixtures.intervals import Footage, check_intervals, steps_of
from stages.params import Mixture, Params
from stages.sequences.seeds import generator

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Clip:
    """Frames of one sequence (counted from 1) at one interval, in seconds."""

    source: str
    sequence: str
    split: str
    frames: tuple[int, ...]
    interval: float


def in_order(clips: Iterable[Clip]) -> list[Clip]:
    """Clips by source, sequence, split, frames and interval."""
    return sorted(clips, key=attrgetter(*Clip.__dataclass_fields__))


@dataclass(frozen=True)
class Candidates:
    """Every clip that could be drawn from a source, one for each of its training frames, in a random order.

    ``row`` (N,) is the sequence's place in the list, ``first`` (N,) the clip's first frame, ``interval`` (N,) in
    seconds and ``step`` (N,) in frames, ``length`` (N,) the sequence's frames.
    """

    row: np.ndarray
    first: np.ndarray
    interval: np.ndarray
    step: np.ndarray
    length: np.ndarray

    def hold(self, frames: int) -> np.ndarray:
        """Whether a clip of so many frames ends within its sequence, (N,) bool."""
        return self.first + (frames - 1) * self.step <= self.length


def draw_training(
    params: Params,
    stage: str,
    source: str,
    frames: int,
    index: pd.DataFrame,
    frame_weights: Mapping[str, np.ndarray] | None = None,
) -> list[Clip]:
    """Draw clips that hold ``frames`` frames in all from the training sequences of ``source``.

    Every clip starts at a frame of its own; clips may overlap, and a frame counts in each. The last clip is shorter
    where the budget is no multiple of `clip_length`. The same params and sequences give the same clips, in whatever
    order the index lists them.
    ``frame_weights``, by sequence, prefers clips by their heaviest frame. Raises `InputError` where there are fewer.
    """
    mixture = params.stages[stage].mixture
    footage = training_footage(source, index)
    check_intervals(params, stage, source, footage, min(mixture.clip_length, frames))
    candidates = _candidates(mixture, footage, generator(params.seed, "mixture", stage, source))
    order = _order(candidates, footage, mixture.clip_length, frame_weights)
    sizes = _choose(candidates, order, frames, mixture.clip_length)
    total = len(candidates.row)
    if sum(size for _, size in sizes) < frames or frames > total:
        found = min(total, int(candidates.hold(mixture.clip_length).sum()) * mixture.clip_length)
        raise shortage(params, stage, source, frames, found, total)
    return in_order(_clips(source, footage, candidates, sizes))


def training_footage(source: str, index: pd.DataFrame) -> Footage:
    """The training sequences of ``source``, by name; raises `InputError` for none."""
    rows = _of_split(source, index, "train")
    return Footage(
        tuple(row.sequence for row in rows),
        np.array([row.frames for row in rows], np.int64),
        np.array([row.fps for row in rows], np.float64),
    )


def _candidates(mixture: Mixture, footage: Footage, rng: np.random.Generator) -> Candidates:
    row = np.repeat(np.arange(len(footage.names)), footage.frames)
    first = np.arange(len(row)) - footage.starts[row] + 1
    shuffled = rng.permutation(len(row))
    row, first = row[shuffled], first[shuffled]
    interval = np.array(mixture.intervals)[rng.integers(0, len(mixture.intervals), size=len(row))]
    return Candidates(row, first, interval, steps_of(interval, footage.fps[row]), footage.frames[row])


def _order(
    candidates: Candidates, footage: Footage, size: int, frame_weights: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    """The order in which candidates are taken: as they are, or weighted sampling without replacement.

    Items taken by their exponential waiting times divided by their weights are a weighted sample (Efraimidis and
    Spirakis, Information Processing Letters 97, 2006). The waiting times here are the expected ones of the candidates'
    random order (1/N, 1/N + 1/(N - 1), ...): equal weights keep that order, and no logarithm is needed, which not
    every machine rounds alike.
    """
    count = len(candidates.row)
    if frame_weights is None:
        return np.arange(count)
    weights = np.concatenate([frame_weights[name] for name in footage.names])
    place = footage.starts[candidates.row] + candidates.first - 1
    heaviest = weights[place]
    for number in range(1, size):
        later = np.where(candidates.hold(number + 1), place + number * candidates.step, place)
        heaviest = np.maximum(heaviest, weights[later])
    waiting = np.cumsum(1.0 / np.arange(count, 0, -1))
    return np.argsort(waiting / heaviest, kind="stable")


def _choose(candidates: Candidates, order: np.ndarray, frames: int, size: int) -> list[tuple[int, int]]:
    """Places and sizes of the clips: the first in ``order`` that hold ``size`` frames, then one for what is left."""
    whole, rest = divmod(frames, size)
    fitting = np.flatnonzero(candidates.hold(size)[order])[:whole]
    sizes = [(int(place), size) for place in order[fitting]]
    if rest and len(sizes) == whole:
        behind = order[fitting[-1] + 1 if whole else 0 :]
        sizes += [(int(place), rest) for place in behind[candidates.hold(rest)[behind]][:1]]
    return sizes


def _clips(source: str, footage: Footage, candidates: Candidates, sizes: list[tuple[int, int]]) -> Iterator[Clip]:
    places = [place for place, _ in sizes]
    columns = (candidates.row, candidates.first, candidates.step, candidates.interval)
    rows = zip(*(column[places].tolist() for column in columns), strict=True)
    for (row, first, step, interval), (_, size) in zip(rows, sizes, strict=True):
        frames = tuple(range(first, first + (size - 1) * step + 1, step))
        yield Clip(source, footage.names[row], "train", frames, interval)


def draw_validation(
    params: Params, stage: str, sources: Iterable[str], indexes: Mapping[str, pd.DataFrame]
) -> list[Clip]:
    """Spread `validation_frames` evenly over the sources, and over each one's validation frames, as single frames."""
    sources = list(sources)
    total = params.stages[stage].mixture.validation_frames
    clips = []
    for number, source in enumerate(sources):
        frames = [(s.sequence, f) for s in _of_split(source, indexes[source], "val") for f in range(1, s.frames + 1)]
        count = min(len(frames), total // len(sources) + (number < total % len(sources)))
        for place in np.linspace(0, len(frames) - 1, count).round().astype(int):
            sequence, frame = frames[place]
            clips.append(Clip(source, sequence, "val", (frame,), 0.0))
    return in_order(clips)


def _of_split(source: str, index: pd.DataFrame, split: str) -> list:
    rows = index[index["split"] == split].sort_values("sequence")
    if rows.empty:
        where = f"data/sources/{source}/index.csv"
        raise InputError(where, f"no sequence in split `{split}`", f"give sources.{source} one, or mix another source")
    return list(rows.itertuples(index=False))
