"""Tables of what scoring found, one observation to a row: association, sequences, causes of mistakes.

Reads metrics/scores/CHECKPOINT/TRACKER.json and plots/scores/CHECKPOINT/TRACKER/ (written by score).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.curriculum.results import SCORES_ROOT, raw_and_post, read_scores
from stages.drawing.tables import PLOTS, Row, Table, read_table
from stages.params import Params

ASSOCIATION_COLUMNS = ("checkpoint", "source", "tracker", "HOTA", "DetA", "AssA")
SEQUENCE_COLUMNS = ("checkpoint", "source", "tracker", "sequence", "HOTA", "MOTA", "IDF1")
CAUSES = ("occluded", "small", "crowded", "border", "gap", "other")
CAUSE_COLUMNS = ("checkpoint", "source", "tracker", "kind", "cause", "count")


def association_table(params: Params, root: Path = SCORES_ROOT) -> Table:
    """Pooled HOTA with its two parts, detection (DetA) and association (AssA), by checkpoint, source and tracker."""
    table: Table = []
    for checkpoint, tracker in _runs(params):
        for source, scores in read_scores(root / checkpoint / f"{tracker}.json").items():
            for name, of in raw_and_post(tracker, scores):
                row = {"checkpoint": checkpoint, "source": source, "tracker": name}
                table.append(row | {score: (of["pooled"] or {}).get(score) for score in ASSOCIATION_COLUMNS[3:]})
    return table


def sequence_table(params: Params, root: Path = PLOTS) -> Table:
    """HOTA, MOTA and IDF1 of every test sequence, all classes pooled, by checkpoint, source and tracker."""
    return [
        row | {name: of[name] for name in SEQUENCE_COLUMNS[3:]}
        for row, of in _of_runs(params, root, "sequences.csv", ("source", *SEQUENCE_COLUMNS[3:], "class"))
        if of["class"] == "pooled"
    ]


def cause_table(params: Params, root: Path = PLOTS) -> Table:
    """How many mistakes have each cause, over all classes, by checkpoint, source, tracker and kind."""
    counts: dict[tuple, float] = {}
    for row, of in _of_runs(params, root, "causes.csv", ("source", "kind", *CAUSES)):
        for cause in CAUSES:
            key = (*row.values(), of["kind"], cause)
            counts[key] = counts.get(key, 0) + int(of[cause])
    return [dict(zip(CAUSE_COLUMNS, (*key, count), strict=True)) for key, count in counts.items()]


def _of_runs(params: Params, root: Path, name: str, columns: tuple[str, ...]) -> Iterator[tuple[Row, Row]]:
    """Every row of every run's table ``name``, and in front of it what names its run."""
    for checkpoint, tracker in _runs(params):
        for row in read_table(root / "scores" / checkpoint / tracker / name, columns):
            source, post, _ = str(row["source"]).partition(".post")
            yield {"checkpoint": checkpoint, "source": source, "tracker": tracker + post}, row


def _runs(params: Params) -> Iterator[tuple[str, str]]:
    return ((checkpoint, tracker) for checkpoint in params.evaluation.checkpoints for tracker in params.trackers)
