"""The stage `mixture@STAGE`: which frames a curriculum stage trains and validates on.

Reads data/sources/ and the mixture of the stage before; writes data/mixtures/STAGE/ and metrics/mixture/STAGE.json.
Run as `python -m stages.mixture STAGE`.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import InputError, choose, run_stage
from stages.files import write_json
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixing import Clip, budgets, draw_training, draw_validation
from stages.mixtures.mixture import MIXTURES, Manifest, SourceMeaning, read_manifest, write_mixture
from stages.mixtures.summary import summarise
from stages.params import Params, load_params, where
from stages.sequences.index import read_index, read_labels


def main(stage: str) -> None:
    """Draw the clips of one stage and write them with their summary."""
    params = load_params()
    before = read_manifest(MIXTURES / choose(params.curriculum, stage, "stage").after)
    frames = budgets(params, stage, before.seen)
    indexes = {source: read_index(source) for source in frames}
    clips = draw_validation(params, stage, frames, indexes)
    for source, budget in frames.items():
        clips += draw_training(params, stage, source, budget, indexes[source])
    manifest = _manifest(params, stage, before, clips, indexes)
    summary = summarise(ClipReader(manifest), clips, manifest.classes)
    _check_classes(stage, summary, manifest.classes, params.stages[stage].mixture.lacks)
    write_mixture(MIXTURES / stage, manifest, sorted(clips))
    write_json(Path("metrics/mixture") / f"{stage}.json", summary)


def _manifest(params: Params, stage: str, before: Manifest, clips: list[Clip], indexes: dict) -> Manifest:
    meanings = {}
    for source, index in indexes.items():
        used = {clip.sequence for clip in clips if clip.source == source}
        hashes = {row.sequence: row.sha256 for row in index.itertuples() if row.sequence in used}
        mapping = dict(params.sources[source].classes)
        meanings[source] = SourceMeaning(read_labels(source), mapping, dict(sorted(hashes.items())))
    seen = dict.fromkeys((*before.seen, *params.stages[stage].mixture.sources))
    return Manifest(params.classes, tuple(seen), params.stages[stage].mixture.min_visibility, meanings)


def _check_classes(stage: str, summary: dict, classes: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    """Every class is trained, unless the params say that it is not."""
    for name in classes:
        shown = any(source["train"][name] for source in summary.values())
        if not shown and name not in lacks:
            remedy = "add a source or frames that do, or name it in `lacks`"
            raise InputError(where(stage, "mixture"), f"no training frame shows a `{name}`", remedy)
        if shown and name in lacks:
            raise InputError(where(stage, "mixture", "lacks"), f"training frames do show a `{name}`", "take it out")


if __name__ == "__main__":
    run_stage(main)
