"""What was tracked: every tracker on every checkpoint, where it went wrong, the worst moments, videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stages.drawing.tables import Table
from stages.reporting import charts
from stages.reporting.blocks import Block, Chart, Film, Films, Gallery, Note, Picture, Section
from stages.reporting.blocks import Table as TableBlock
from stages.reporting.inlining import Inlined
from stages.reporting.run import Run
from stages.reporting.words import number

_RANKED = "Ranked by seconds of boxes missed and of false alarms, to which every identity switch adds one second."
_SCORES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "mAP")


def tracking(run: Run, inlined: Inlined) -> Section:
    """Tables, charts, the ten worst moments, and videos."""
    blocks: list[Block] = [_scores(run)]
    if run.params.trackers:
        blocks += [
            *_by_source(run, "hota_alpha", "HOTA over alpha", charts.alpha, first=True),
            *_by_source(run, "association", "Detection (DetA) against association (AssA)", charts.association),
            *_by_source(run, "sequences", "HOTA of every test sequence", charts.sequences, first=True),
            *_by_source(run, "causes", "Causes of mistakes", charts.causes, first=True),
        ]
    else:
        blocks.append(Note("params.yaml names no tracker: detection alone is scored."))
    return Section("tracking", "Tracking", [*blocks, *_moments(run, inlined), *_films(run, inlined)])


def _scores(run: Run) -> Block:
    parts = {(r["checkpoint"], r["source"], r["tracker"]): r for r in run.table("association")}
    rows = []
    for row in run.table("hota"):
        of = row | parts.get((row["checkpoint"], row["source"], row["tracker"]), {})
        scores = [None if of.get(name) is None else round(of[name], 4) for name in _SCORES]
        rows.append([row["checkpoint"], row["tracker"], row["source"], *scores, _interval(run, row)])
    if not rows:
        return Note("Nothing is scored.")
    columns = ["checkpoint", "tracker", "source", *_SCORES, "HOTA, 95 %"]
    return TableBlock("Every tracker on every checkpoint, all classes pooled", columns, rows, "hota.csv")


def _interval(run: Run, row: dict) -> str | None:
    tracker, post, _ = str(row["tracker"]).partition(".post")
    of = run.json(f"metrics/scores/{row['checkpoint']}/{tracker}.json").get(row["source"], {})
    bounds = (of.get("post", {}) if post else of).get("intervals", {}).get("pooled")
    return f"{number(bounds['HOTA'][0])} to {number(bounds['HOTA'][1])}" if isinstance(bounds, dict) else None


def _by_source(
    run: Run, name: str, title: str, draw: Callable[[Table, Sequence[str]], dict], *, first: bool = False
) -> list[Chart | Note]:
    """The picture ``name`` with a chart for each source; with the first tracker, or all."""
    rows = [row for row in run.table(name) if not first or row["tracker"] == run.tracker]
    rows = [row for row in rows if row.get("HOTA", 0) is not None]
    if not rows:
        return [Note(f"{title}: nothing to show, no test sequence has ground truth.")]
    sources = dict.fromkeys(row["source"] for row in rows)
    specs = [(source, draw([row for row in rows if row["source"] == source], run.checkpoints)) for source in sources]
    with_which = f" with {run.tracker}" if first else ""
    return [Chart(f"{title}{with_which}", _in_words(run, name, rows, with_which), specs, name)]


def _in_words(run: Run, name: str, rows: Table, with_which: str) -> str:
    checkpoints = ", ".join(dict.fromkeys(row["checkpoint"] for row in rows))
    if name == "causes":
        total: dict[str, float] = {}
        for row in rows:
            total[row["cause"]] = total.get(row["cause"], 0) + row["count"]
        ranked = sorted(total.items(), key=lambda item: -item[1])
        return "Over all checkpoints and sources: " + ", ".join(f"{cause} {count:.0f}" for cause, count in ranked)
    beside = "" if run.base is None else f"; the numbers are in {name}.csv"
    return f"{len(rows)} points of {checkpoints}{with_which}{beside}."


def _moments(run: Run, inlined: Inlined) -> list[Block]:
    """Thumbnails of the last checkpoint's worst moments; each jumps into its video."""
    folder = Path("plots/videos") / run.last
    rows = run.rows(folder / "worst.csv")
    if not rows:
        return []
    film = inlined.address(run, folder / "worst.mp4")
    pictures = []
    for row in rows:
        what = f"{int(row['misses'])} missed, {int(row['false_alarms'])} false alarms, {int(row['switches'])} switches"
        where = f"{row['source']}/{row['sequence']}, frames {int(row['first'])} to {int(row['last'])}"
        src = inlined.picture(run, folder / str(row["thumbnail"]))
        link = f"{film}#t={row['start']:g}" if film else ""
        caption = f"{int(row['rank'])}. {what}. {where}"
        pictures.append(Picture(src, f"{where}: {what}", caption, link, row["start"] if film else None))
    said = f"the worst moments of {run.last}, one after another"
    films = [Films("", [Film(film, said, pictures[0].src)])] if film else []
    title = f"The {len(rows)} worst moments of {run.last} with {run.tracker}"
    return [Gallery(title, pictures, _RANKED), *films]


def _films(run: Run, inlined: Inlined) -> list[Block]:
    films = []
    for checkpoint in run.params.evaluation.checkpoints:
        folder = Path("plots/videos") / checkpoint
        for row in run.rows(folder / "videos.csv"):
            src = inlined.address(run, folder / str(row["file"]))
            poster = inlined.picture(run, folder / str(row["poster"]))
            films.append(Film(src, f"{checkpoint} on {row['source']}/{row['sequence']}: {row['view']}", poster))
    legend = (
        "Diagnosis: matched thin green, missed blue, false alarm red, identity switch orange, ignore regions hatched."
    )
    if films and run.base is None:
        return [Note(f"Its {len(films)} videos are not carried here: check the revision out to see them.")]
    return [Films(f"Videos with {run.tracker}. {legend}", films)] if films else []
