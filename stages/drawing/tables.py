"""The tables behind the figures, one observation to a row, as `dvc plots` reads them.

Reads plots/training/STAGE.csv (written by finetune), plots/scores/CHECKPOINT/TRACKER/alphas.csv (by score) and
metrics/mixture/STAGE.json (by mixture). `score_tables` has those that read more of what scoring wrote.
"""

from __future__ import annotations

import csv
from pathlib import Path

from stages.curriculum.results import METRICS, SCORES, Result, first_tracker, read_scores
from stages.errors import InputError
from stages.params import Params

PLOTS = Path("plots")
Row = dict[str, object]
Table = list[Row]

_TRAINING_COLUMNS = ("epoch", "lr", "loss", "mAP", "mAP50")
HOTA_COLUMNS = ("checkpoint", "source", "tracker", *SCORES)
ALPHA_COLUMNS = ("checkpoint", "source", "tracker", "alpha", "HOTA", "DetA", "AssA")
FORGETTING_COLUMNS = ("checkpoint", "source", "HOTA")
_NAMES = ("stage", "checkpoint", "parent", "source", "tracker", "sequence", "class", "metric")
TEXT_COLUMNS = frozenset((*_NAMES, "trained", "kind", "cause", "view", "file", "thumbnail", "method", "sentence"))
MIXTURE_COLUMNS = ("stage", "source", "class", "frames", "seconds", "boxes")


def training_table(params: Params, root: Path = PLOTS) -> Table:
    """Every epoch of every stage of the curriculum; None where an epoch was not validated."""
    return [
        {"stage": stage, **row}
        for stage in params.curriculum
        for row in read_table(root / "training" / f"{stage}.csv", _TRAINING_COLUMNS, parts="loss_")
    ]


def training_columns(table: Table) -> list[str]:
    """The columns of a training table: the parts of the loss, which differ from family to family, behind the loss."""
    parts = sorted({name for row in table for name in row if name.startswith("loss_")})
    place = _TRAINING_COLUMNS.index("loss") + 1
    return ["stage", *_TRAINING_COLUMNS[:place], *parts, *_TRAINING_COLUMNS[place:]]


def hota_table(results: list[Result]) -> Table:
    """Pooled scores by checkpoint, source and tracker."""
    return [{"checkpoint": r.checkpoint, "source": r.source, "tracker": r.tracker, **r.scores} for r in results]


def forgetting_table(params: Params, results: list[Result]) -> Table:
    """HOTA by checkpoint and source with the first tracker."""
    return [
        {"checkpoint": r.checkpoint, "source": r.source, "HOTA": r.scores["HOTA"]}
        for r in first_tracker(params, results)
    ]


def alpha_table(params: Params, root: Path = PLOTS) -> Table:
    """Pooled HOTA, DetA and AssA over the IoU threshold alpha, by checkpoint, source and tracker."""
    table: Table = []
    for checkpoint in params.evaluation.checkpoints:
        for tracker in params.trackers:
            path = root / "scores" / checkpoint / tracker / "alphas.csv"
            for row in read_table(path, ("source", "class", *ALPHA_COLUMNS[3:])):
                if row["class"] == "pooled":
                    named = {"checkpoint": checkpoint, "source": row["source"], "tracker": tracker}
                    table.append(named | {name: row[name] for name in ALPHA_COLUMNS[3:]})
    return table


def mixture_table(params: Params, root: Path = METRICS) -> Table:
    """What every stage's mixture shows for training: frames, video seconds and boxes, by source and class."""
    return [
        {"stage": stage, "source": source, "class": name, "frames": of["frames"], "seconds": of["seconds"], "boxes": n}
        for stage in params.curriculum
        for source, of in read_scores(root / "mixture" / f"{stage}.json").items()
        for name, n in of["boxes"].items()
    ]


def read_table(path: Path, columns: tuple[str, ...], parts: str | None = None) -> Table:
    """The rows of a CSV file: numbers as floats, empty fields as None, columns that it lacks as None.

    Besides ``columns`` all whose names begin with ``parts``. What is in `TEXT_COLUMNS` is text whatever it looks like.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            header = reader.fieldnames or ()
    except FileNotFoundError:
        raise InputError(str(path), "no such table", "run `dvc repro` or `dvc pull`") from None
    if columns[0] not in header:
        raise InputError(f"{path}:1", f"no column `{columns[0]}`", "delete it and run `dvc repro`")
    more = tuple(name for name in header if parts is not None and name.startswith(parts))
    return [{name: _parse(name, row.get(name)) for name in columns + more} for row in rows]


def _parse(column: str, field: str | None) -> object:
    if field is None or field == "":
        return None
    if column in TEXT_COLUMNS:
        return field
    try:
        return float(field)
    except ValueError:
        return field
