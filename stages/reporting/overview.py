"""The report's head and the curriculum at a glance."""

from __future__ import annotations

from stages.curriculum.gates import bounds
from stages.curriculum.results import own_sources, trained_on
from stages.params import Params
from stages.reporting import charts
from stages.reporting.blocks import Block, Card, Chart, Facts, Note, Section, Strip, Table
from stages.reporting.run import Run
from stages.reporting.words import duration, listed, number, signed


def head(run: Run) -> Section:
    """What was trained on what, when, from which commit, how long it took and what it cost."""
    params, records = run.params, run.records
    trained = sum(record.get("seconds", 0.0) for record in records.values())
    whole = sum(record["seconds"] for record in run.times.values())
    peak = max((of["peak_memory_mb"] for of in (*records.values(), *run.times.values())), default=0)
    device = listed(dict.fromkeys(record.get("device", "?") for record in records.values())) or "not known"
    pairs = [
        ("trained", f"{params.detector.model} ({params.detector.family}), {listed(params.classes)}"),
        ("on", listed(params.sources)),
        ("first weights", params.weights.path),
        ("commit", run.commit or "not known"),
        ("trained at", _ended(run)),
        ("page made", run.made.strftime("%Y-%m-%d %H:%M UTC")),
        ("training took", duration(trained) if records else "not known"),
        ("all stages took", _whole(run, whole)),
        ("peak memory", f"{peak / 1024:.1f} GiB" if peak else "not known"),
        ("device", device),
        ("cost", _cost(run, whole + sum(of["seconds"] for of in _elsewhere(run)))),
    ]
    return Section("run", "The run", [Facts(pairs)])


def _ended(run: Run) -> str:
    ends = [of["ended"] for name, of in run.times.items() if name.startswith("finetune@")]
    return max(ends).replace("T", " ").replace("+00:00", " UTC") if ends else "not on record here"


def _whole(run: Run, seconds: float) -> str:
    """The time of all stages that are on record here, and how many those are."""
    if not run.times:
        return "not on record here"
    return f"{duration(seconds)} ({len(run.times)} of {len(run.times) + len(run.untimed)} on record)"


def _elsewhere(run: Run) -> list[dict]:
    """The records of training that ran on another machine."""
    return [of for stage, of in run.records.items() if "seconds" in of and f"finetune@{stage}" not in run.times]


def _cost(run: Run, seconds: float) -> str:
    report = run.params.report
    if not report.price_per_hour:
        return "not known: set report.price_per_hour"
    least = "at least " if run.untimed else ""
    return f"{least}{seconds / 3600 * report.price_per_hour:.2f} {report.currency} at {report.price_per_hour:g} an hour"


def curriculum(run: Run) -> Section:
    """The stages as cards, the forgetting matrix, what each stage gained and lost, gates."""
    blocks: list[Block] = [Strip([_card(run, stage) for stage in run.params.curriculum])]
    blocks += [_matrix(run), _gains(run), *_gates(run)]
    return Section("curriculum", "The curriculum at a glance", blocks)


def _card(run: Run, stage: str) -> Card:
    settings, after = run.params.stages[stage], run.params.curriculum[stage].after
    mixture = settings.mixture
    rows = [row for row in run.table("mixtures") if row["stage"] == stage]
    frames = {row["source"]: row["frames"] for row in rows}
    total = sum(frames.values()) or 1
    backbone = f", backbone {settings.lr_backbone:g}" if settings.lr_backbone is not None else ""
    apart = f"{listed(f'{each:g}' for each in mixture.intervals)} s apart"
    record = run.records.get(stage, {})
    pairs = [
        ("after", after),
        ("learning rate", f"{settings.lr:g}{backbone}, {settings.schedule}"),
        ("epochs", f"{settings.epochs}"),
        ("clips", f"{mixture.clip_length} frames, {apart}" if mixture.clip_length > 1 else "single frames"),
        ("replay", f"{mixture.replay:.0%}"),
        ("took", duration(record["seconds"]) if "seconds" in record else "not known"),
        *((f"HOTA {source}", _score(run, stage, source)) for source in run.params.sources),
    ]
    bars = [(source, count / total, f"{count:,.0f} frames") for source, count in frames.items()]
    return Card(stage, pairs, bars)


def _score(run: Run, stage: str, source: str) -> str:
    found = [row["HOTA"] for row in run.table("forgetting") if (row["checkpoint"], row["source"]) == (stage, source)]
    return number(found[0]) if found else "not evaluated"


def _matrix(run: Run) -> Block:
    rows = run.table("forgetting")
    if all(row["HOTA"] is None for row in rows):
        return Note("No HOTA to compare checkpoints by: nothing was tracked, or no test sequence has ground truth.")
    lost = run.summary.get("forgetting", {})
    cells = [row | _labels(run.params, row, lost.get(row["checkpoint"], {}).get(row["source"])) for row in rows]
    said = "; ".join(f"{row['checkpoint']} on {row['source']}: {row['label']} {row['said']}".strip() for row in cells)
    legend = "● trained on in this stage, ○ in a stage before. "
    return Chart(
        "Forgetting: HOTA after each stage", legend + said, [("", charts.heatmap(cells))], "forgetting", "narrow"
    )


def _labels(params: Params, row: dict, lost: float | None) -> dict[str, str]:
    here = row["source"] in own_sources(params, row["checkpoint"])
    mark = "●" if here else "○" if row["source"] in trained_on(params, row["checkpoint"]) else ""
    said = "" if lost is None else f"{'gained' if lost < 0 else 'forgot'} {abs(lost):.3f}"
    return {"label": f"{number(row['HOTA'])} {mark}".strip(), "said": said}


def _gains(run: Run) -> Block:
    rows = [row for row in run.table("gains") if row["metric"] == "HOTA" and row["value"] is not None]
    if not rows:
        return Note("What stages gained is not told: no stage's parent was evaluated and scored beside it.")
    said = "; ".join(f"{row['checkpoint']} on {row['source']} {signed(row['value'])}{_interval(row)}" for row in rows)
    title = "What each stage gained and lost, with 95 % intervals"
    return Chart(title, f"HOTA against the parent: {said}", [("", charts.gains(rows))], "gains", "narrow")


def _interval(row: dict) -> str:
    return "" if row["low"] is None else f" ({signed(row['low'])} to {signed(row['high'])})"


def _gates(run: Run) -> list[Block]:
    complete = "forgetting" in run.summary
    found = list(bounds(run.params, dict(run.summary))) if run.params.gates and complete else []
    if not found:
        return []
    rows = [[of.source, of.name, of.said, "kept" if of.kept else "NOT KEPT"] for of in found]
    return [Table("Gates", ["source", "bound", "value", ""], rows)]
