"""Loggers that params.yaml asks for (`logging:`): TensorBoard and DVCLive here, MLflow in a module of its own.

Each gets the stage's settings, every step, every epoch, and where the checkpoint is; the x axis is the optimizer step
everywhere. They write below `logging.folder`/STAGE/ (of the main repository under `dvc exp run --temp`, which sets
DVC_ROOT) and need no server. Accelerate's own trackers stand on the same libraries; they are not used because its
DVCLive one reads all that was logged again with every step and ends by adding the folder to git, its MLflow one leaves
out what is too long, and its TensorBoard one splits a run over folders named by the time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.params.model import Logging
from stages.watching.table import cut_back
from stages.watching.watcher import Step, Watcher


def make_loggers(logging: Logging) -> list[Watcher]:
    """The loggers that are on. What one needs is imported when training begins, which raises `InputError` too."""
    root = Path(os.environ.get("DVC_ROOT", "."))
    folder, loggers = root / logging.folder, []
    if (logging.tensorboard or logging.dvclive or logging.mlflow) and not _may_be_folder(folder):
        raise InputError("params.yaml: logging.folder", f"{folder} is no folder", "name another, or remove the file")
    if logging.tensorboard:
        loggers.append(TensorBoard(folder))
    if logging.dvclive:
        loggers.append(DvcLive(folder))
    if logging.mlflow is not None:
        from stages.watching.mlflow_logger import MlflowRun

        loggers.append(
            MlflowRun(logging.mlflow if "://" in logging.mlflow else str((root / logging.mlflow).absolute()), folder)
        )
    return loggers


def _may_be_folder(path: Path) -> bool:
    return next(place for place in (path, *path.absolute().parents) if place.exists()).is_dir()


class MetricLogger(Watcher):
    """Turns steps and epochs into named numbers; `log` is where they go."""

    def __init__(self):
        self._step = 0

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Epochs are logged at the latest step."""
        self._step = done

    def log(self, values: dict[str, float]) -> None:
        """Take numbers of the step ``self._step``."""
        raise NotImplementedError

    def step(self, step: Step) -> None:
        """Log the step as `train/...`, `lr/PART` and `speed/...`."""
        self._step = step.step
        losses = {f"train/{name}": value for name, value in step.losses.items()}
        rates = {f"lr/{part}": value for part, value in step.rates.items()}
        speed = {f"speed/{name}": getattr(step, name) for name in ("images_per_second", "memory_mb", "waited")}
        self.log(losses | {"train/epoch": step.epoch} | rates | speed)

    def epoch(self, row: dict) -> None:
        """Log the row's numbers as `epoch/...`."""
        self.log(numbers(row, "epoch"))


class TensorBoard(MetricLogger):
    """One event file after another in `FOLDER/STAGE/tensorboard/N/`; every fresh run has the next number."""

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder
        self._settings: dict[str, Any] = {}
        self._writer: Any = None

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Log settings as a table; a resumed run takes back what was logged beyond ``done``."""
        super().begin(stage, settings, done)
        runs = self._folder / stage / "tensorboard"
        number = max((int(path.name) for path in runs.glob("[0-9]*") if path.name.isdigit()), default=0)
        with needed("tensorboard", "tensorboard"):
            make = import_module("torch.utils.tensorboard").SummaryWriter
        resumed = done > 0 and number > 0
        self._settings = flattened(settings)
        self._writer = make(runs / str(number if resumed else number + 1), purge_step=done + 1 if resumed else None)
        rows = "\n".join(f"| {name} | {value} |" for name, value in self._settings.items())
        self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", done)

    def log(self, values: dict[str, float]) -> None:
        """Hand the numbers to the writer's thread."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, self._step)

    def flush(self) -> None:
        """Write what the writer's thread holds."""
        self._writer.flush()

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Log the result, and settings with it for the page of hyperparameters."""
        if self._writer is None:
            return
        if checkpoint is not None:
            from torch.utils.tensorboard.summary import hparams

            result = numbers(row, "result")
            self.log(result)
            self._writer.add_text("checkpoint", str(checkpoint), self._step)
            # `SummaryWriter.add_hparams` would put them into a second run, named by the time.
            for summary in hparams(self._settings | texts(row, "result"), result):
                self._writer.file_writer.add_summary(summary)
        self._writer.close()


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


def flattened(settings: dict, prefix: str = "") -> dict[str, bool | int | float | str]:
    """Nested settings by dotted name; lists as JSON, None as `none`."""
    flat: dict[str, bool | int | float | str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)):
            flat[f"{prefix}{key}"] = json.dumps(value, default=str)
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, (bool, int, float, str)) else str(value).lower()
    return flat


def numbers(row: dict, group: str) -> dict[str, float]:
    """The numbers of ``row`` as `GROUP/NAME`."""
    chosen = {name: value for name, value in flattened(row).items() if name != "epoch" or group != "epoch"}
    return {f"{group}/{k}": v for k, v in chosen.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def texts(row: dict, group: str) -> dict[str, str]:
    """The texts of ``row`` as `GROUP.NAME`."""
    return {f"{group}.{name}": value for name, value in flattened(row).items() if isinstance(value, str)}


@contextmanager
def needed(key: str, package: str) -> Iterator[None]:
    """Turn a failed import within into an `InputError` that names the key of `logging` and the package."""
    try:
        yield
    except ImportError as error:
        what = f"the package {package} cannot be imported ({error})"
        raise InputError(f"params.yaml: logging.{key}", what, f"install {package}, or turn this off") from None
