"""One run as the report sees it: a folder with params.yaml, metrics/, models/ and plots/, and where it comes from."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import yaml

from stages.clock import read_times
from stages.drawing.tables import Table, read_table
from stages.params import Params

_LATER = ("report", "gate")  # what is on record of them is of the run before


@dataclass(frozen=True)
class Run:
    """A run at ``root``; ``label`` names it on a page of two, ``base`` leads from the page to its plots/, if it can."""

    root: Path
    params: Params
    text: str  # of params.yaml
    label: str = ""
    base: str | None = ""
    commit: str = ""  # in words
    shown: tuple[str, ...] = ()  # the checkpoints of all runs on the page, where there are several
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
    def checkpoints(self) -> Sequence[str]:
        """All checkpoints on the page, whose places give them their colours."""
        return self.shown or self.params.evaluation.checkpoints

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

        What params.yaml has no more (a stage of the curriculum, a source, a tracker) is left out. A stage that was
        killed and went on took what all its processes trained for, as metrics/runs/ has it.
        """
        found = {name: of for name, of in read_times(self.root).items() if self._is_named(name)}
        for stage, record in self.records.items():
            of = found.get(f"finetune@{stage}", {})
            if of and "seconds" in record:
                of["seconds"] = max(of["seconds"], record["seconds"])
        return found

    @cached_property
    def untimed(self) -> list[str]:
        """Stages that have run, by dvc.lock, but are not in `times`: on another machine, or taken from DVC's cache."""
        path = self.root / "dvc.lock"
        stages = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("stages", {}) if path.is_file() else {}
        return [name for name in stages if self._is_named(name) and name not in self.times]

    def _is_named(self, stage: str) -> bool:
        """Whether a stage of the pipeline is one that params.yaml has, and that ends before the page is made."""
        if stage in _LATER:
            return False
        checkpoints, trackers = self.params.evaluation.checkpoints, self.params.trackers
        runs = (f"{checkpoint}-{tracker}" for checkpoint in checkpoints for tracker in trackers)
        return stage.partition("@")[2] in {"", *self.params.curriculum, *self.params.sources, *checkpoints, *runs}


def commit_of(root: Path) -> str:
    """The commit that ``root`` is at, in words; says whether files that git follows were changed since.

    What a run itself writes (dvc.lock, metrics/) is no change: the page asks for params and code.
    """
    short = _git(root, "log", "-1", "--format=%h, %cs")
    if short is None:
        return "not in git"
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    but = (":(exclude)dvc.lock", ":(exclude)metrics")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *but)
    where = f"{short}" + (f", {branch}" if branch and branch != "HEAD" else "")
    return where + (", with changes to it since" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
