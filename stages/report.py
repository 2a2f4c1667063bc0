"""`python -m stages.report`: the page to open first.

Reads params.yaml, metrics/, models/STAGE/card.json, the tables, videos and pictures in plots/, and what stages took on
this machine (.skyward/times/). Writes plots/report.html, one file that needs no network, and plots/report/: timeline
and times, each as CSV and PNG. What a run cost is in it, so its bytes differ from run to run.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import run_stage
from stages.files import replacing, write_table, write_text
from stages.params import load_params
from stages.reporting.inlining import Inlined
from stages.reporting.page import beside, render
from stages.reporting.run import Run, commit_of
from stages.reporting.sections import sections
from stages.reporting.timeline import columns_of, panels, starts, timeline

PAGE = Path("plots/report.html")
FILES = Path("plots/report")
TIME_COLUMNS = ("stage", "seconds", "peak_memory_mb", "ended")


def main() -> None:
    """Write the page, and the pictures that no other stage makes."""
    params, here = load_params(), Path()
    run = Run(here, params, Path("params.yaml").read_text(encoding="utf-8"), commit=commit_of(here))
    with replacing(FILES) as folder:
        folder.mkdir()
        write_own(run, folder)
    title = f"Skyward: {params.detector.model} from {' to '.join(params.sources)}"
    write_text(PAGE, render(title, beside(sections(run, Inlined()))))


def write_own(run: Run, folder: Path) -> None:
    """The timeline and the times: what they show differs from run to run, so `plot` leaves them alone."""
    from stages.drawing.run_figures import draw_timeline, draw_times

    rows, events = timeline(run.params)
    write_table(folder / "timeline.csv", columns_of(rows), rows)
    draw_timeline(rows, panels(rows), starts(rows), events, folder / "timeline.png")
    times = [{"stage": stage} | record for stage, record in run.times.items()]
    write_table(folder / "times.csv", TIME_COLUMNS, times)
    draw_times(times, folder / "times.png")


if __name__ == "__main__":
    run_stage(main)
