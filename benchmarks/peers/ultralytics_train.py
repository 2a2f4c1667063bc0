"""`yolo train`, with all cores and a stopwatch: ``python -m benchmarks.peers.ultralytics_train ARGUMENTS.json``.

Reads the command's arguments as JSON, and beside them `cores` and `report`; trains as the `yolo` command does; writes
the seconds inside of epochs to `report`: batches and steps, without start-up, validation and saving.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

_LOGGERS = ("clearml", "comet", "dvc", "mlflow", "neptune", "raytune", "tensorboard", "wandb")


def main(path: str) -> None:
    """Train."""
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(Path.home())}
    arguments = json.loads(Path(path).read_text())
    report, cores, model = (arguments.pop(name) for name in ("report", "cores", "model"))

    from ultralytics.utils import SETTINGS, torch_utils

    # It would log to every logger that it finds installed, which takes seconds; ours logs to none unless asked to.
    SETTINGS.update({name: False for name in _LOGGERS if name in SETTINGS})
    from ultralytics import YOLO

    torch_utils.NUM_THREADS = cores  # it would leave one core idle
    times: list[float] = []
    trained = YOLO(model)
    for event in ("on_train_epoch_start", "on_train_epoch_end"):
        trained.add_callback(event, lambda trainer: times.append(time.perf_counter()))
    trained.train(**arguments)
    seconds = sum(end - start for start, end in zip(times[::2], times[1::2], strict=True))
    Path(report).write_text(json.dumps({"training_seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1])
