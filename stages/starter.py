"""The dvc that started this process, and whether it still runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil

_STAGE = "DVC_STAGE"  # DVC sets it for what it starts


class Starter:
    """The dvc that runs this process as a stage; ``stage`` is that stage's name, None where no dvc runs it.

    DVC starts a stage through the user's shell. Some shells become the command, others (dash, which is `/bin/sh` on
    Debian and Ubuntu) stay between the two and outlive a dvc that is killed: each link up to dvc is watched.
    """

    def __init__(self, stage: str | None):
        self._links = list(_up_to_dvc(stage)) if stage else []

    def has_ended(self) -> bool:
        """Whether dvc, or a shell between, is gone. Never where no dvc runs this process: people's shells may close."""
        return any(_parent(process) != parent for process, parent in self._links)


def _up_to_dvc(stage: str) -> Iterator[tuple[psutil.Process, int]]:
    """Each process from this one up to the one below dvc, with its parent's id."""
    process: psutil.Process | None = psutil.Process()
    while process and (parent := process.parent()):
        yield process, parent.pid
        process = parent if _stage_of(parent) == stage else None


def _stage_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(_STAGE)
    except psutil.Error:
        return None


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


STARTER = Starter(os.environ.get(_STAGE))
