"""What every logger does: steps and epochs become named numbers, settings flat ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from stages.errors import InputError
from stages.watching.watcher import Step, Watcher


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
