"""Training over time, the stages one after another, as rows for a chart and a table.

Reads metrics/runs/STAGE.csv and STAGE.json, and plots/training/STAGE.csv, of every stage of the curriculum.
"""

from __future__ import annotations

import json
from pathlib import Path

from stages.drawing.tables import Row, Table, read_table
from stages.params import Params

Panel = tuple[str, str, list[str]]

POINTS = 300  # of a stage that are kept: means over as many stretches of steps
_STEP_COLUMNS = ("epoch", "step", "loss", "images_per_second", "memory_mb", "seconds")
COLUMNS = ("stage", "step", "epoch", "minutes", "loss", "mAP", "memory_mb", "images_per_second")


def timeline(params: Params, root: Path = Path()) -> tuple[Table, Table]:
    """Rows of `COLUMNS` and of the loss's and learning rate's parts; and events: `stage`, `minutes`, `kind`, `said`.

    A stage without a record (it was trained by a version that kept none) is left out.
    """
    rows: Table = []
    events: Table = []
    start = 0.0  # minutes
    for stage in params.curriculum:
        path = root / "metrics/runs" / f"{stage}.csv"
        steps = _read_steps(path) if path.is_file() else []
        if steps and steps[-1]["minutes"] is not None:
            rows += _rows(stage, thinned(steps), _scores(root, stage), start)
            events += _events(root, stage, steps, start)
            start += steps[-1]["minutes"]
    return rows, events


def columns_of(rows: Table) -> list[str]:
    """`COLUMNS` and behind them the parts, each once."""
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))


def panels(rows: Table) -> list[Panel]:
    """What is drawn one below the other over the axis of time: title, what it measures, columns."""
    parts = sorted({name for row in rows for name in row if name.startswith("loss")})
    rates = sorted({name for row in rows for name in row if name.startswith("lr_")})
    return [
        ("Loss and its parts", "loss", parts),
        ("Validation mAP", "mAP", ["mAP"]),
        ("Learning rates, as applied", "learning rate", rates),
        ("Memory", "MB", ["memory_mb"]),
        ("Pace", "images/s", ["images_per_second"]),
    ]


def starts(rows: Table) -> Table:
    """Where each stage begins: `stage`, `minutes`."""
    ends: dict[str, float] = {}
    for row in rows:
        ends[row["stage"]] = max(row["minutes"], ends.get(row["stage"], 0.0))
    begins = [0.0, *ends.values()]
    return [{"stage": stage, "minutes": begin} for stage, begin in zip(ends, begins, strict=False)]


def _read_steps(path: Path) -> Table:
    """Every step with the minutes that its stage had trained for."""
    rows = read_table(path, _STEP_COLUMNS, parts="l")  # loss, its parts, learning rates
    for row in rows:
        row["minutes"] = None if row["seconds"] is None else row["seconds"] / 60
    return rows


def thinned(rows: Table, most: int = POINTS) -> Table:
    """At most ``most`` rows: the means of neighbouring ones, with the last one's epoch, step and minutes."""
    size = -(-len(rows) // most) if rows else 1
    return [_mean(rows[at : at + size]) for at in range(0, len(rows), size)]


def _mean(rows: Table) -> Row:
    last, mean = rows[-1], {}
    for name in last:
        known = [row[name] for row in rows if isinstance(row.get(name), float)]
        mean[name] = sum(known) / len(known) if known else None
    return mean | {name: last[name] for name in ("epoch", "step", "minutes")}


def _rows(stage: str, steps: Table, scores: dict[int, float], start: float) -> Table:
    rows = []
    for row, following in zip(steps, [*steps[1:], None], strict=True):
        epoch = int(row["epoch"])
        ends = following is None or int(following["epoch"]) != epoch
        fixed = {"stage": stage, "minutes": round(start + row["minutes"], 4)}
        kept = {name: value for name, value in row.items() if name not in ("seconds", "minutes")}
        rows.append(kept | fixed | {"mAP": scores.get(epoch) if ends else None})
    return rows


def _scores(root: Path, stage: str) -> dict[int, float]:
    """Validation mAP by epoch."""
    path = root / "plots/training" / f"{stage}.csv"
    rows = read_table(path, ("epoch", "mAP")) if path.is_file() else []
    return {int(row["epoch"]): row["mAP"] for row in rows if row["mAP"] is not None}


def _events(root: Path, stage: str, steps: Table, start: float) -> Table:
    """What interrupted the stage: memory that ran out, and kills that it went on from."""
    path = root / "metrics/runs" / f"{stage}.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    minutes = {int(row["step"]): row["minutes"] for row in steps}
    found = [("memory", event["step"], f"out of memory at step {event['step']}: went on with {event['after']}")
             for event in record.get("oom_events", [])]  # fmt: skip
    found += [("resume", step, f"killed, went on after step {step}") for step in record.get("resumed_at_steps", [])]
    return [
        {"stage": stage, "minutes": round(start + minutes.get(step, 0.0), 4), "kind": kind, "said": said}
        for kind, step, said in sorted(found, key=lambda event: event[1])
    ]
