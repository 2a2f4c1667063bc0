"""Functions that tests give to workers, here or on a cluster's nodes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from stages.errors import InputError


def square(number: int) -> int:
    time.sleep(0.02 if number % 2 == 0 else 0)  # so that results do not come in the order of the jobs
    return number * number


def fail_from_three(number: int) -> int:
    time.sleep(0.05 if number == 3 else 0)  # the first is not the first to fail
    if number >= 3:
        raise InputError(f"sequence {number}", "is bad", "mend it")
    return number


class Clumsy(Exception):
    def __init__(self, one, two):
        super().__init__("said so")


def raise_what_does_not_come_back(number: int) -> int:
    raise Clumsy(1, 2)


def process(_: int) -> tuple[int, str]:
    time.sleep(0.05)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "")


@dataclass
class Loading:
    """Tells in which process it was loaded."""

    loaded: int = 0

    def load(self) -> None:
        self.loaded = os.getpid()

    def __call__(self, _: int) -> tuple[int, int]:
        return self.loaded, os.getpid()


def threads(_: int) -> tuple[int, int]:
    import cv2
    import torch

    return torch.get_num_threads(), cv2.getNumThreads()


@dataclass(frozen=True)
class Killing:
    """Kills its own process at job ``at``, ``times`` over; marks each death with a file in ``folder``."""

    folder: str
    at: int
    times: int = 1

    def __call__(self, number: int) -> int:
        deaths = len(list(Path(self.folder).iterdir()))
        if number == self.at and deaths < self.times:
            Path(self.folder, str(deaths)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number
