"""Logs a stage as a run of MLflow, in a folder or on a server; the experiment has the stage's name.

To a server numbers are sent together, every ten seconds or at every few hundred; as many may be missing where a killed
run was resumed. A server that stops answering in mid-run does not stop training: what it did not take is kept and sent
with the next epoch, and one line says so.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import write_json
from stages.watching.metric_logger import MetricLogger, flattened, needed, numbers, texts

_TOGETHER = 500  # numbers in a request; MLflow takes 1000
_PARAMS = 100  # settings in a request, which is what MLflow takes
_LONGEST = 6000  # characters of a setting's value that MLflow takes
_SECONDS = 10.0  # between two requests, if there are fewer numbers
_SECRET = re.compile(r"//[^/@]*@")


class MlflowRun(MetricLogger):
    """``address`` is a folder or an address with `://`; ``folder``/STAGE/mlflow.json keeps the run's id for a resume.

    MLflow takes no number back: steps that a resumed run does again are in it twice.
    """

    def __init__(self, address: str, folder: Path, clock: Callable[[], float] = time.time):
        super().__init__()
        self._address, self._folder, self._clock = address, folder, clock
        self._client: Any = None
        self._run = ""
        self._waiting: list[Any] = []
        self._sent, self._failing = 0.0, False

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Create the run, or go on with it; raises `InputError` if the server cannot be reached."""
        super().begin(stage, settings, done)
        _prepare()
        with needed("mlflow", "mlflow-skinny"):
            self._mlflow = import_module("mlflow")
        try:
            self._client = self._mlflow.MlflowClient(tracking_uri=self._address)
            self._make_folder()
            self._run = (done and self._go_on(stage)) or self._create(stage, settings)
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            remedy = "start the server, correct the address, or take the key out"
            raise InputError(f"params.yaml: logging.mlflow: {self._shown}", _reason(error), remedy) from None
        self._sent = self._clock()

    def log(self, values: dict[str, float]) -> None:
        """Keep the numbers until they are sent."""
        make, time_ms = self._mlflow.entities.Metric, int(self._clock() * 1000)
        self._waiting += [make(_name(name), float(value), time_ms, self._step) for name, value in values.items()]

    def epoch(self, row: dict) -> None:
        """Log the row and send it."""
        super().epoch(row)
        self._send()

    def flush(self) -> None:
        """Send what waits: to a folder always, to a server if it is much or the last time is long enough ago."""
        far, waited = "://" in self._address, self._clock() - self._sent
        if not self._failing and (not far or len(self._waiting) >= _TOGETHER or waited >= _SECONDS):
            self._send()

    def _send(self) -> None:
        self._sent = self._clock()
        try:
            while self._waiting:
                self._client.log_batch(self._run, metrics=self._waiting[:_TOGETHER])
                del self._waiting[:_TOGETHER]
            self._failing = False
        except self._mlflow.exceptions.MlflowException as error:
            self._complain(error)

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Log the result; the checkpoint's path is a tag. Without a checkpoint the run is a failed one."""
        if not self._run:
            return
        if checkpoint is not None:
            self.log(numbers(row, "result"))
        self._send()
        try:
            tags = {"checkpoint": str(checkpoint)} | texts(row, "result") if checkpoint is not None else {}
            for name, value in tags.items():
                self._client.set_tag(self._run, name, value)
            self._client.set_terminated(self._run, "FINISHED" if checkpoint is not None else "FAILED")
        except self._mlflow.exceptions.MlflowException as error:
            self._complain(error)

    def _make_folder(self) -> None:
        """Its client makes its folder, but not where this process has had one there that was deleted since."""
        if "://" not in self._address and not Path(self._address).exists():
            (Path(self._address) / ".trash").mkdir(parents=True)  # without which MLflow looks nothing up

    def _create(self, stage: str, settings: dict) -> str:
        experiment = self._client.get_experiment_by_name(stage)
        number = experiment.experiment_id if experiment else self._client.create_experiment(stage)
        run = self._client.create_run(number, run_name=os.environ.get("DVC_EXP_NAME", stage)).info.run_id
        params = [self._mlflow.entities.Param(_name(k), str(v)[:_LONGEST]) for k, v in flattened(settings).items()]
        for start in range(0, len(params), _PARAMS):
            self._client.log_batch(run, params=params[start : start + _PARAMS])
        write_json(self._folder / stage / "mlflow.json", {"store": self._shown, "run": run})
        return run

    def _go_on(self, stage: str) -> str:
        """The id of the run that was interrupted; empty if it is not there, or was deleted."""
        try:
            kept = json.loads((self._folder / stage / "mlflow.json").read_text())
            run = kept["run"] if kept["store"] == self._shown else ""
        except (OSError, ValueError, KeyError):
            return ""
        return run if run and self._reopen(run) else ""

    def _reopen(self, run: str) -> bool:
        """Let a run be one that runs; whether it is there."""
        try:
            if self._client.get_run(run).info.lifecycle_stage == "deleted":
                return False
            self._client.update_run(run, status="RUNNING")
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _complain(self, error: Exception) -> None:
        if not self._failing:
            from tqdm import tqdm

            line = f"mlflow: {self._shown}: {_reason(error)}: {len(self._waiting)} numbers wait for the next epoch"
            tqdm.write(line, file=sys.stderr)  # above a bar, if there is one
        self._failing = True

    @property
    def _shown(self) -> str:
        """The address without a password."""
        return _SECRET.sub("//", self._address)


def _prepare() -> None:
    """Settings that MLflow reads from the environment when it is imported, or used."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # else it refuses folders since 3.7
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # its own 7 take minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


def _name(name: str) -> str:
    """``name`` with nothing in it that MLflow does not take."""
    return re.sub(r"[^\w./: -]", "_", name)


def _reason(error: Exception) -> str:
    reason = _SECRET.sub("//", " ".join(str(error).split()))
    return f"cannot log there ({reason[:160]})"
