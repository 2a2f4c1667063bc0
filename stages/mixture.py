"""The stage `mixture@STAGE`: which frames a curriculum stage trains and validates on.

Reads data/sources/ and the mixture of the stage before; writes data/mixtures/STAGE/ and metrics/mixture/STAGE.json.
Run as `python -m stages.mixture STAGE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import InputError, choose, run_stage
from stages.files import write_json
from stages.mixtures.balance import frame_weights
from stages.mixtures.budgets import budgets
from stages.mixtures.mixing import Clip, draw_training, draw_validation, in_order, training_footage
from stages.mixtures.mixture import MIXTURES, Manifest, SourceMeaning, read_manifest, write_mixture
from stages.mixtures.summary import Summary, headline, summarise, table
from stages.mixtures.targets import TargetReader
from stages.params import Params, load_params, where
from stages.sequences.index import read_index, read_labels
from stages.sources.leaks import refuse_trained_on

if TYPE_CHECKING:
    import pandas as pd


def main(stage: str) -> None:
    """Draw the clips of one stage and write them with their summary."""
    params = load_params()
    before = read_manifest(MIXTURES / choose(params.curriculum, stage, "stage").after)
    frames = budgets(params, stage, before.seen)
    indexes = {source: read_index(source) for source in params.sources}
    labels = {source: read_labels(source) for source in frames}
    reader = TargetReader(params, stage, labels)
    clips = _clips(params, stage, frames, indexes, reader)
    refuse_trained_on(stage, _training_frames(clips), indexes)
    summary = summarise(reader, clips, params.classes)
    _check_classes(params, stage, summary)
    manifest = _manifest(params, stage, before, clips, indexes, labels)
    write_mixture(MIXTURES / stage, manifest, in_order(clips), table(summary, params.classes))
    write_json(Path("metrics/mixture") / f"{stage}.json", headline(summary, params.classes))


def _clips(
    params: Params, stage: str, frames: dict[str, int], indexes: dict[str, pd.DataFrame], reader: TargetReader
) -> list[Clip]:
    """Validation clips, then each source's training clips: exactly its budget of frames."""
    clips = draw_validation(params, stage, frames, indexes)
    for source, budget in frames.items():
        weights = _weights(params, stage, source, indexes[source], reader)
        drawn = draw_training(params, stage, source, budget, indexes[source], weights)
        assert sum(len(clip.frames) for clip in drawn) == budget
        clips += drawn
    return clips


def _weights(params: Params, stage: str, source: str, index: pd.DataFrame, reader: TargetReader) -> dict | None:
    """Weights of a source's training frames, where the stage balances."""
    balance = params.stages[stage].mixture.balance
    if not balance.classes and not balance.sizes:
        return None
    names = training_footage(source, index).names
    return frame_weights(balance, {name: reader.rows(source, name) for name in names}, params.classes)


def _training_frames(clips: list[Clip]) -> dict[tuple[str, str], set[int]]:
    """The frames that are trained on, by source and sequence."""
    frames: dict[tuple[str, str], set[int]] = {}
    for clip in clips:
        if clip.split == "train":
            frames.setdefault((clip.source, clip.sequence), set()).update(clip.frames)
    return frames


def _manifest(
    params: Params, stage: str, before: Manifest, clips: list[Clip], indexes: dict, labels: dict[str, dict[int, str]]
) -> Manifest:
    meanings = {}
    for source, names in labels.items():
        used = {clip.sequence for clip in clips if clip.source == source}
        hashes = {row.sequence: row.sha256 for row in indexes[source].itertuples() if row.sequence in used}
        meanings[source] = SourceMeaning(names, dict(params.sources[source].classes), dict(sorted(hashes.items())))
    seen = dict.fromkeys((*before.seen, *params.stages[stage].mixture.sources))
    return Manifest(params.classes, tuple(seen), params.stages[stage].mixture.min_visibility, meanings)


def _check_classes(params: Params, stage: str, summary: list[Summary]) -> None:
    """Every class is trained, unless the params say that it is not."""
    lacks = params.stages[stage].mixture.lacks
    for number, name in enumerate(params.classes):
        shown = any(part.boxes[number] for part in summary if part.split == "train")
        if not shown and name not in lacks:
            remedy = "add a source or frames that do, or name it in `lacks`"
            raise InputError(where(stage, "mixture"), f"no training frame shows a `{name}`", remedy)
        if shown and name in lacks:
            raise InputError(where(stage, "mixture", "lacks"), f"training frames do show a `{name}`", "take it out")


if __name__ == "__main__":
    run_stage(main)
