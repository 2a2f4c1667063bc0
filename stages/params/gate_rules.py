"""What makes no sense in ``gates``, beside the rest of params.yaml, and the stage names that the summary needs."""

from __future__ import annotations

from collections.abc import Iterator

from stages.params.model import Params
from stages.params.sources import FileSource, WorldSource

Finding = tuple[tuple, str, str]

_TAKEN = ("forgetting", "backward_transfer", "forward_transfer")  # in metrics/curriculum.json


def gate_findings(params: Params) -> Iterator[Finding]:
    """All findings (place, what, remedy), in the order of the file; expects a curriculum without circles."""
    for name in params.curriculum:
        if name in _TAKEN:
            yield ("curriculum", name), "the name is taken in metrics/curriculum.json", "choose another name"
    for source, gate in params.gates.items():
        place = ("gates", source)
        if source not in params.sources:
            yield place, "no such source", f"sources are {', '.join(params.sources)}"
        elif not _tested(params.sources[source]):
            yield place, "the source has no test split, so it is never scored", "give it one, or delete the gate"
        elif gate.max_forgetting is None and gate.min_HOTA is None:
            yield place, "no bound", "give it `max_forgetting` or `min_HOTA`"
        elif gate.max_forgetting is not None and not _can_be_forgotten(params, source):
            what = "no evaluated stage comes after an evaluated one that was trained on the source"
            yield (*place, "max_forgetting"), what, "add checkpoints to evaluation.checkpoints, or delete it"


def _tested(source: WorldSource | FileSource) -> bool:
    """Whether params.yaml leaves room for a test split; a source's own splits are known once it is fetched."""
    if isinstance(source, WorldSource):
        return source.sequences.test > 0
    ranges = [piece.split for pieces in source.ranges.values() for piece in pieces.values()]
    return source.splits is None or bool(source.splits.get("test")) or "test" in ranges


def _can_be_forgotten(params: Params, source: str) -> bool:
    evaluated = [name for name in params.evaluation.checkpoints if name in params.curriculum]
    before = {name for stage in evaluated for name in params.lineage(stage) if name in evaluated}
    return any(
        source in params.stages[name].mixture.sources for stage in before for name in (*params.lineage(stage), stage)
    )
