"""One run as the report sees it: a folder with params.yaml, metrics/, models/ and plots/, and where it comes from."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from stages.clock import read_times
from stages.drawing.tables import Table, read_table
from stages.params import Params


@dataclass(frozen=True)
class Run:
    """A run at ``root``; ``label`` names it on a page of two, ``base`` leads from the page to its plots/, if it can."""

    root: Path
    params: Params
    text: str  # of params.yaml
    label: str = ""
    base: str | None = ""
    commit: str = ""  # in words
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    def table(self, name: str) -> Table:
        """The rows of plots/NAME.csv with all its columns; none where there is no such file."""
        return self.rows(Path("plots") / f"{name}.csv")

    def rows(self, path: Path) -> Table:
        """The rows of any table of the run."""
        path = self.root / path
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            columns = tuple(next(csv.reader(file), ()))
        return read_table(path, columns) if columns else []

    def json(self, path: str) -> dict:
        """A JSON file of the run, empty where there is none."""
        path = self.root / path
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def tracker(self) -> str:
        """The tracker by which checkpoints are compared, `detections` where there is none."""
        return self.params.first_tracker or "detections"

    @property
    def last(self) -> str:
        """The last evaluated checkpoint."""
        return self.params.evaluation.checkpoints[-1]

    @cached_property
    def summary(self) -> Mapping[str, dict]:
        """metrics/curriculum.json."""
        return self.json("metrics/curriculum.json")

    @cached_property
    def records(self) -> dict[str, dict]:
        """What training each stage took: metrics/runs/STAGE.json."""
        found = {stage: self.json(f"metrics/runs/{stage}.json") for stage in self.params.curriculum}
        return {stage: record for stage, record in found.items() if record}

    @cached_property
    def times(self) -> dict[str, dict]:
        """What each stage of the pipeline took on this machine, by its name; those that are on record.

        What params.yaml has no more (a stage of the curriculum, a source, a tracker) is left out.
        """
        checkpoints, trackers = self.params.evaluation.checkpoints, self.params.trackers
        runs = (f"{checkpoint}-{tracker}" for checkpoint in checkpoints for tracker in trackers)
        items = {"", *self.params.curriculum, *self.params.sources, *checkpoints, *runs}
        return {name: of for name, of in read_times(self.root).items() if name.partition("@")[2] in items}


def commit_of(root: Path) -> str:
    """The commit that ``root`` is at, in words; says whether files that git follows were changed since."""
    short = _git(root, "log", "-1", "--format=%h, %cs")
    if short is None:
        return "not in git"
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    where = f"{short}" + (f", {branch}" if branch and branch != "HEAD" else "")
    return where + (", with changes since" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
