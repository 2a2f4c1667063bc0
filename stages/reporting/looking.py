"""What the detector looked at, what the data held, and what the run was set to and took."""

from __future__ import annotations

from pathlib import Path

from stages.reporting import charts
from stages.reporting.blocks import Block, Chart, Gallery, Note, Picture, Section, Table, Text
from stages.reporting.inlining import Inlined
from stages.reporting.run import Run
from stages.reporting.words import listed

_MOST = 40  # stages without a time that are named
TIMES = "report/times"  # name of the picture and the table, below plots/


def explanations(run: Run, inlined: Inlined) -> Section:
    """The last checkpoint's mistakes with heat maps."""
    folder = Path("plots/explain") / run.last
    rows = run.rows(folder / "explain.csv")
    pictures = [
        Picture(inlined.picture(run, folder / str(row["file"])), str(row["sentence"]), str(row["sentence"]))
        for row in rows
    ]
    title = f"What {run.last} looked at where it was most wrong"
    blocks: list[Block] = [Gallery(title, pictures)] if pictures else [Note("No mistake is explained.")]
    return Section("explanations", "Explanations", blocks)


def data(run: Run, inlined: Inlined) -> Section:
    """What the mixtures held, in numbers and in pictures."""
    rows = run.table("mixtures")
    blocks: list[Block] = []
    if rows:
        said = "; ".join(f"{r['stage']}: {r['boxes']:,.0f} of {r['class']} from {r['source']}" for r in rows)
        title = "Boxes for training, by stage and class, stacked by source"
        blocks.append(Chart(title, said, [("", charts.mixtures(rows))], "mixtures", "narrow"))
    sheets = [(f"mixture of {name}", f"mixtures/{name}") for name in run.params.curriculum]
    sheets += [(f"source {name}", f"sources/{name}") for name in run.params.sources]
    pictures = []
    for title, place in sheets:
        path = Path("plots/explore") / place / "sheet.png"
        if (run.root / path).is_file():
            alt = f"Sample frames, statistics and positions of the {title}"
            pictures.append(Picture(inlined.picture(run, path), alt, title, inlined.address(run, path)))
    blocks += [Gallery("What is in them", pictures)] if pictures else []
    return Section("data", "Data", blocks or [Note("No statistics of the data are here.")])


def settings(run: Run) -> Section:
    """How long every stage of the pipeline took, and params.yaml."""
    rows = [{"stage": stage} | record for stage, record in run.times.items()]
    blocks: list[Block] = []
    if rows:
        longest = max(rows, key=lambda row: row["seconds"])
        text = f"The longest: {longest['stage']}, {longest['seconds']:.1f} s."
        blocks.append(Chart("How long each stage took", text, [("", charts.times(rows))], TIMES, "narrow"))
        columns = ["stage", "seconds", "peak MB", "ended (UTC)", *([run.params.report.currency] if _price(run) else [])]
        cells = [
            [r["stage"], r["seconds"], r["peak_memory_mb"], r["ended"].partition("+")[0], *_cost(run, r["seconds"])]
            for r in rows
        ]
        blocks.append(Table("Stages of the pipeline, as last run on this machine", columns, cells))
    if rows and run.untimed:
        elsewhere = "Not on record here (run on another machine, or taken from DVC's cache)"
        blocks.append(Note(f"{elsewhere}: {listed(run.untimed[:_MOST])}{' and more' if run.untimed[_MOST:] else ''}."))
    versions = listed(dict.fromkeys(record.get("torch", "") for record in run.records.values()))
    blocks.append(Note(f"PyTorch {versions or 'not known'}."))
    blocks.append(Text("params.yaml", run.text))
    return Section("settings", "Times and params", blocks)


def _price(run: Run) -> float:
    return run.params.report.price_per_hour


def _cost(run: Run, seconds: float) -> list[float]:
    """What so many seconds cost, where there is a price."""
    return [round(seconds / 3600 * _price(run), 4)] if _price(run) else []
