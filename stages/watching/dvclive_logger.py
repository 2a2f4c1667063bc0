"""Logs a stage to DVCLive's files."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.watching.metric_logger import MetricLogger, flattened, needed, numbers, texts
from stages.watching.table import cut_back


class DvcLive(MetricLogger):
    """DVCLive's files in `FOLDER/STAGE/dvclive/`, of the latest run; no DVC experiment, and nothing for git.

    Its `next_step` and `end` are never called: they read all that was logged again, and under `dvc exp run` add the
    folder to git. The summary, metrics.json, follows every epoch.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder
        self._live: Any = None

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Log settings to params.yaml; a resumed run drops what was logged beyond ``done``."""
        super().begin(stage, settings, done)
        os.environ["DVC_STUDIO_OFFLINE"] = os.environ["DVC_NO_ANALYTICS"] = "true"
        with needed("dvclive", "dvclive"):
            make = import_module("dvclive").Live
        folder = self._folder / stage / "dvclive"
        for path in folder.glob("plots/metrics/**/*.tsv") if done else ():
            cut_back(path, done, delimiter="\t")
        self._live = make(str(folder), resume=done > 0, save_dvc_exp=False, dvcyaml=None)
        self._live.log_params(flattened(settings))

    def log(self, values: dict[str, float]) -> None:
        """Append a line to every number's file."""
        self._live.step = self._step
        for name, value in values.items():
            self._live.log_metric(name, value)

    def epoch(self, row: dict) -> None:
        """Log the row, and bring the summary up to date."""
        super().epoch(row)
        self._live.make_summary()

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Log the result; the checkpoint's path is among the parameters."""
        if self._live is None:
            return
        if checkpoint is not None:
            self._live.log_params({"checkpoint": str(checkpoint)} | texts(row, "result"))
            self.log(numbers(row, "result"))
        self._live.make_summary()
