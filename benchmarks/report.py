"""What the report takes: ``python -m benchmarks.report``, with Debian's chromium.

On a copy of the finished run of this folder: seconds of the stages `plot`, `draw_videos`, `explain` and `report`, each
a process of its own, and the page's size. Then a made-up run with the scores of 500 sequences a source, four
checkpoints and two trackers: its page's size, and the time from the request to the first paint and to the last chart,
the median of five openings, against the page that Vega-Lite's own converter writes for the forgetting matrix alone.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import InputError, run_stage

SEQUENCES, OPENINGS = 500, 5
STAGES = ("plot", "draw_videos stage1", "draw_videos stage2", "explain stage1", "explain stage2", "report")
_TESTS = Path(__file__).resolve().parent.parent / "tests"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def main() -> None:
    """Print the table."""
    if not Path("plots/hota.csv").is_file():
        raise InputError("plots/", "no finished run here", "run `dvc repro` first")
    with tempfile.TemporaryDirectory() as folder, _within(_copied(Path(folder))):
        for stage in STAGES:
            print(f"{stage:20} {_seconds(stage):6.1f} s", flush=True)
        print(f"{'page':20} {Path('plots/report.html').stat().st_size / 1e6:6.1f} MB")
    sys.path.insert(0, str(_TESTS))  # the made-up run and the browser are the tests' own
    with tempfile.TemporaryDirectory() as folder, _within(Path(folder)):
        _large()


def _copied(folder: Path) -> Path:
    """The finished run in ``folder``, where it may be written to."""
    for name in ("plots", "metrics"):
        shutil.copytree(name, folder / name)
    for name in ("data", "models"):
        (folder / name).symlink_to(Path(name).resolve())
    shutil.copyfile("params.yaml", folder / "params.yaml")
    return folder


def _seconds(stage: str) -> float:
    start = time.monotonic()
    search = {"PYTHONPATH": str(_TESTS.parent)}
    subprocess.run([sys.executable, "-m", *f"stages.{stage}".split()], check=True, env=os.environ | search)
    return time.monotonic() - start


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _large() -> None:
    from reporting_project import lay_out_report

    from stages.report import PAGE
    from stages.report import main as report

    lay_out_report(sequences=[f"sequence-{number}" for number in range(SEQUENCES)])
    report()
    peer = Path("peer.html")
    peer.write_text(_peer(PAGE), encoding="utf-8")
    ours = [_opening(PAGE) for _ in range(OPENINGS)]
    theirs = [_opening(peer, ours=False) for _ in range(OPENINGS)]
    first, last = (statistics.median(times) for times in zip(*ours, strict=True))
    other = statistics.median(time for time, _ in theirs)
    print(f"{SEQUENCES} sequences a source: {PAGE.stat().st_size / 1e6:.1f} MB, first paint {first:.2f} s, "
          f"last chart {last:.2f} s; Vega-Lite's own page of one chart: first paint {other:.2f} s, "
          f"ratio {first / other:.2f}")  # fmt: skip


def _peer(page: Path) -> str:
    """The converter's own self-contained page of the report's first chart."""
    import json
    import re

    import vl_convert

    spec = re.search(r'<script type="application/json">(.*?)</script>', page.read_text(encoding="utf-8")).group(1)
    return vl_convert.vegalite_to_html(json.loads(spec) | {"width": 600}, bundle=True)


def _opening(path: Path, ours: bool = True) -> tuple[float, float]:
    """Seconds to the first paint, and to the last chart."""
    from browser import opened

    with opened(path) as found:
        if ours:
            found.wait_for_charts()
        else:
            found.page.wait_for_selector("svg, canvas")
        return found.page.evaluate(_PAINT) / 1000, found.page.evaluate("performance.now()") / 1000


if __name__ == "__main__":
    run_stage(main)
