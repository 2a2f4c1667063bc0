"""How training went: loss, mAP, learning rates, memory and pace over one axis of time, and what interrupted it."""

from __future__ import annotations

from stages.drawing.tables import Row, Table
from stages.reporting import charts
from stages.reporting.blocks import Block, Chart, Note, Section
from stages.reporting.blocks import Table as TableBlock
from stages.reporting.run import Run
from stages.reporting.timeline import panels, starts, timeline
from stages.reporting.words import duration, number

TIMELINE = "report/timeline"  # name of the picture and the table, below plots/


def training(run: Run) -> Section:
    """One chart of panels that share the axis, and a row for each stage."""
    rows, events = timeline(run.params, run.root)
    if not rows:
        return Section("training", "Training", [Note("No record of training is here: metrics/runs/ is empty.")])
    blocks: list[Block] = [_chart(rows, events), _stages(run), *([_events(events)] if events else [])]
    return Section("training", "Training", blocks)


def _chart(rows: Table, events: Table) -> Chart:
    end = max(row["minutes"] for row in rows)
    marks = starts(rows)
    specs = [
        (title, charts.over_time(_long(rows, names), events, marks, label, end)) for title, label, names in panels(rows)
    ]
    text = f"All stages one after another, {duration(60 * end)} in all. {_said(events)}."
    return Chart("Training over time", text, specs, TIMELINE, "stacked")


def _long(rows: Table, names: list[str]) -> Table:
    """One observation to a row, 4 digits: they are shown, not computed with."""
    return [
        {"stage": row["stage"], "minutes": round(row["minutes"], 3), "series": name, "value": float(f"{row[name]:.4g}")}
        for name in names
        for row in rows
        if row.get(name) is not None
    ]


def _said(events: Table) -> str:
    if not events:
        return "No kill and no memory event"
    said = "; ".join(f"{event['stage']}: {event['said']}" for event in events)
    return f"Orange dashes mark where memory ran out, grey dots where a kill was gone on from: {said}"


def _events(events: Table) -> TableBlock:
    rows = [[event["stage"], round(event["minutes"], 2), event["kind"], event["said"]] for event in events]
    return TableBlock("What interrupted training", ["stage", "minute", "kind", "what"], rows)


def _stages(run: Run) -> TableBlock:
    columns = [
        "stage",
        "selected epoch",
        "score",
        "steps",
        "images/s, all in",
        "peak MB",
        "waiting",
        "resumes",
        "out of memory",
    ]
    return TableBlock("Stages", columns, [_stage(run, stage, of) for stage, of in run.records.items()])


def _stage(run: Run, stage: str, record: Row) -> list:
    selected = run.json(f"models/{stage}/card.json").get("selected", {})
    images, seconds = record.get("images"), record.get("training_seconds")
    return [
        stage,
        selected.get("epoch"),
        number(selected.get("score")),
        record.get("steps"),
        round(images / seconds, 1) if images and seconds else None,  # validation and waiting included
        record.get("peak_memory_mb"),
        f"{record.get('waiting_share', 0):.1%}",
        len(record.get("resumed_at_steps", [])),
        len(record.get("oom_events", [])),
    ]
