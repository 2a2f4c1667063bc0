"""Loggers that params.yaml asks for (`logging:`): TensorBoard, DVCLive and MLflow, a module each.

Each gets the stage's settings, every step, every epoch, and where the checkpoint is; the x axis is the optimizer step
everywhere. They write below `logging.folder`/STAGE/ (of the main repository under `dvc exp run --temp`, which sets
DVC_ROOT) and need no server. Accelerate's own trackers stand on the same libraries; they are not used because its
DVCLive one reads all that was logged again with every step and ends by adding the folder to git, its MLflow one leaves
out what is too long, and its TensorBoard one splits a run over folders named by the time.
"""

from __future__ import annotations

import os
from pathlib import Path

from stages.errors import InputError
from stages.params.model import Logging
from stages.watching.dvclive_logger import DvcLive
from stages.watching.mlflow_logger import MlflowRun
from stages.watching.tensorboard_logger import TensorBoard
from stages.watching.watcher import Watcher


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
        loggers.append(
            MlflowRun(logging.mlflow if "://" in logging.mlflow else str((root / logging.mlflow).absolute()), folder)
        )
    return loggers


def _may_be_folder(path: Path) -> bool:
    return next(place for place in (path, *path.absolute().parents) if place.exists()).is_dir()
