"""Logs a stage to TensorBoard's event files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from stages.watching.metric_logger import MetricLogger, flattened, needed, numbers, texts


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
