"""Where a run keeps what it would go on from: .skyward/runs/STAGE-FINGERPRINT/, outside of every DVC output.

DVC deletes a stage's outputs before it runs the stage. The folder is that of the main repository also where an
experiment runs in a temporary one. In it: state.safetensors, the run's tensors with its progress as metadata;
epoch-NNNN.safetensors, what `keep_every` keeps; fingerprint.json; lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from safetensors import SafetensorError, safe_open

from stages.errors import InputError
from stages.files import replacing, write_json
from stages.tensors import write_safetensors
from stages.training.fingerprint import Fingerprint, differences, digest
from stages.training.state import Progress, Tensors

_OTHERS = 3  # saved states of other runs of a stage that are left
_PATIENCE = 30.0  # seconds to wait for a process that is about to stop
_STATE = "state.safetensors"


class Scratch:
    """The folder of one run of a stage. Open it with `held`."""

    def __init__(self, stage: str, parts: Fingerprint, root: Path | None = None):
        top = Path(os.environ.get("DVC_ROOT", ".")) if root is None else root
        self.stage, self._parts, self._runs = stage, parts, top / ".skyward" / "runs"
        self._damaged = False
        self.folder = self._runs / f"{stage}-{digest(parts)}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process has this run, or this stage in this workspace; raises `InputError` if one keeps it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        workspace = self._runs / f"{self.stage}-at-{digest({'workspace': str(Path.cwd())})}.lock"
        with _locked(workspace, self.stage), _locked(self.folder / "lock", self.stage):
            write_json(self.folder / "fingerprint.json", self._parts)
            yield

    def load(self) -> tuple[Tensors, Progress] | None:
        """What was saved last, or None; a file that cannot be read is removed, and `said` tells of it."""
        path = self.folder / _STATE
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                progress = Progress(**json.loads(file.metadata()["progress"]))
                return {name: file.get_tensor(name) for name in file.keys()}, progress  # noqa: SIM118
        except (SafetensorError, ValueError, KeyError, TypeError):
            path.unlink()
            self._damaged = True
            return None

    def save(self, tensors: Tensors, progress: Progress) -> None:
        """Replace what was saved last, in one step."""
        metadata = {"progress": json.dumps(asdict(progress))}
        _write(self.folder / _STATE, tensors, metadata)

    def keep(self, epoch: int, tensors: Tensors) -> None:
        """Put an epoch's weights aside."""
        _write(self.kept(epoch), tensors)

    def kept(self, epoch: int) -> Path:
        """Where an epoch's weights lie."""
        return self.folder / f"epoch-{epoch:04d}.safetensors"

    def said(self, is_resumed: bool) -> list[str]:
        """Why the run begins afresh although others of the stage lie here."""
        if self._damaged:
            return [f"begins afresh: what was saved is damaged ({self.folder.name})"]
        others = self._others()
        if is_resumed or not others:
            return []
        parts = differences(self._parts, _read(others[0]))
        return [f"begins afresh: the last run was with other {', '.join(parts)} ({others[0].name})"]

    def prune(self) -> None:
        """Remove the oldest other runs of the stage that no process has; the last few are left.

        Another workspace may do so at the same time: what is gone already is no error, what cannot go now stays.
        """
        for folder in self._others()[_OTHERS:]:
            with suppress(OSError), (folder / "lock").open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

    def _others(self) -> list[Path]:
        """The folders of the stage's other runs, the latest first."""
        states = [path for path in self._runs.glob(f"{self.stage}-*/{_STATE}") if path.parent != self.folder]
        return [path.parent for path in sorted(states, key=_saved_at, reverse=True)]


def _write(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> None:
    with replacing(path) as partial:
        write_safetensors(partial, tensors, metadata)


def _saved_at(path: Path) -> float:
    """When a state was saved, in seconds; 0 where another process has just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _read(folder: Path) -> Fingerprint:
    try:
        return json.loads((folder / "fingerprint.json").read_text())
    except (OSError, ValueError):
        return {}


@contextmanager
def _locked(path: Path, stage: str) -> Iterator[None]:
    """Hold a lock, which is free again when its process ends, however it ends."""
    with path.open("a+") as file:
        _wait(file, stage)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _wait(file: TextIO, stage: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            process = file.read().strip() or "unknown"
            if time.monotonic() > end:
                what = f"process {process} is training it"
                raise InputError(stage, what, "wait until it has ended, or stop it (kill)") from None
            time.sleep(0.1)
