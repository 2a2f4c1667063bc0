"""The mixture of a stage: which clips, from which sequences, within the budgets that its params set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.params import Params
from stages.sequences.seeds import generator


@dataclass(frozen=True, order=True)
class Clip:
    """Frames of one sequence (counted from 1) at one interval, in seconds."""

    source: str
    sequence: str
    split: str
    frames: tuple[int, ...]
    interval: float


def budgets(params: Params, stage: str, seen: Iterable[str]) -> dict[str, int]:
    """Frames to draw from each source: what the mixture names, and on top of it the replay of sources ``seen``.

    Replay is that share of the whole mixture, spread evenly over the sources of the stages before that this
    stage does not name itself.
    """
    mixture = params.stages[stage].mixture
    own = {source: budget.frames for source, budget in mixture.sources.items()}
    if not mixture.replay:
        return own
    earlier = [source for source in seen if source not in own]
    if not earlier:
        where = f"params.yaml: {stage}.mixture.replay"
        raise InputError(where, "the stages before had no other source to replay", "set it to 0")
    total = round(sum(own.values()) * mixture.replay / (1 - mixture.replay))
    shares = [total // len(earlier) + (index < total % len(earlier)) for index in range(len(earlier))]
    return own | {source: share for source, share in zip(earlier, shares, strict=True) if share}


def draw_training(params: Params, stage: str, source: str, frames: int, index: pd.DataFrame) -> list[Clip]:
    """Draw clips that hold ``frames`` frames in all from the training sequences of ``source``.

    Every clip starts at a frame of its own; the last clip is shorter where the budget is no multiple of
    `clip_length`. The same params and sequences give the same clips, in whatever order the index lists them.
    """
    mixture = params.stages[stage].mixture
    sequences = _of_split(source, index, "train")
    length = mixture.clip_length
    wanted = -(-frames // length)
    anchors = np.array([(row, first) for row, s in enumerate(sequences) for first in range(1, s.frames + 1)])
    where = f"params.yaml: {stage}.mixture"
    rng = generator(params.seed, "mixture", stage, source)
    clips = []
    for row, first in rng.permutation(anchors):
        if len(clips) == wanted:
            break
        size = min(length, frames - len(clips) * length)
        interval = float(rng.choice(mixture.intervals))
        step = max(1, round(interval * sequences[row].fps))
        last = first + (size - 1) * step
        if last <= sequences[row].frames:
            taken = tuple(range(int(first), int(last) + 1, step))
            clips.append(Clip(source, sequences[row].sequence, "train", taken, interval))
    if len(clips) < wanted:
        found = sum(len(clip.frames) for clip in clips)
        what = f"`{source}` has clips for {found} of the {frames} frames asked for"
        raise InputError(where, what, f"lower the budget, shorten the clips, or raise sources.{source}'s size")
    return sorted(clips)


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
    return sorted(clips)


def _of_split(source: str, index: pd.DataFrame, split: str) -> list:
    rows = index[index["split"] == split].sort_values("sequence")
    if rows.empty:
        where = f"data/sources/{source}/index.csv"
        raise InputError(where, f"no sequence in split `{split}`", f"give sources.{source} one, or mix another source")
    return list(rows.itertuples(index=False))
