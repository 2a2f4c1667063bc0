"""What a run goes on from: written in one step, read with care, held by one process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stages import tensors as tensor_files
from stages.errors import InputError
from stages.training import scratch as module
from stages.training.scratch import Scratch
from stages.training.state import Progress

PARTS = {"seed": "0", "stage1.lr": "a", "stage1.epochs": "b"}
TENSORS = {"network.0.weight": torch.arange(12.0).view(3, 4).T, "ema.0.weight": torch.tensor([float("-inf"), 1e-30])}
# Takes a lock without importing the project, says so, and keeps it for so many seconds.
HOLDER = """\
import fcntl, os, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(str(os.getpid()))
    file.flush()
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    monkeypatch.chdir(tmp_path)
    run = Scratch("stage1", PARTS)
    with run.held():
        yield run


def test_what_was_saved_comes_back_exactly(scratch: Scratch):
    assert scratch.load() is None
    progress = Progress(
        step=7, sums={"loss_box": 0.1 + 0.2}, history=[{"epoch": 1, "loss": 1e-17}], best=None, kept=[1]
    )
    scratch.save(TENSORS, progress)
    tensors, again = scratch.load()
    assert again == progress and tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    scratch.keep(3, TENSORS)
    assert scratch.kept(3).name == "epoch-0003.safetensors"
    assert tensor_files.read_safetensors(scratch.kept(3)).keys() == TENSORS.keys()
    assert not list(scratch.folder.glob("*partial"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "no header": lambda path: path.write_bytes(bytes(200)),
    "not a state": lambda path: save_file({"a": torch.zeros(1)}, path),
    "no progress": lambda path: save_file({"a": torch.zeros(1)}, path, {"progress": "{"}),
    "another's progress": lambda path: save_file({"a": torch.zeros(1)}, path, {"progress": '{"steps": 1}'}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_none(scratch: Scratch, damage: str):
    scratch.save(TENSORS, Progress(step=7))
    path = scratch.folder / "state.safetensors"
    DAMAGE[damage](path)
    assert scratch.load() is None and not path.exists()
    assert scratch.said(False) == [f"begins afresh: what was saved is damaged ({scratch.folder.name})"]


def test_a_full_disk_leaves_the_state_before(scratch: Scratch, monkeypatch: pytest.MonkeyPatch):
    scratch.save(TENSORS, Progress(step=7))

    def full(tensors: dict, path: Path, metadata: dict | None) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tensor_files, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        scratch.save(TENSORS, Progress(step=8))
    assert scratch.load()[1].step == 7
    assert sorted(path.name for path in scratch.folder.iterdir()) == ["fingerprint.json", "lock", "state.safetensors"]


def test_the_folder_is_that_of_the_main_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "main").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "temporary")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    run = Scratch("stage1", PARTS)
    with run.held():
        assert run.folder.parent == tmp_path / "main/.skyward/runs" and run.folder.is_dir()
    assert not (tmp_path / "temporary/.skyward").exists()
    assert json.loads((run.folder / "fingerprint.json").read_text()) == PARTS


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Runs inside are those of another workspace, saved in the same place."""
    here = Path.cwd()
    (here / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(here))
        patch.chdir(here / "elsewhere")
        yield


def _saved(name: str, age: float, stage: str = "stage1") -> Scratch:
    other = Scratch(stage, PARTS | {"stage1.lr": name})
    with other.held():
        other.save({}, Progress())
    os.utime(other.folder / "state.safetensors", (time.time() - age,) * 2)
    return other


def test_a_run_that_begins_afresh_says_what_is_other(scratch: Scratch):
    assert scratch.said(False) == []
    with _elsewhere():
        other = _saved("x", age=60)
        _saved("y", age=5, stage="stage10")
    assert scratch.said(False) == [f"begins afresh: the last run was with other stage1.lr ({other.folder.name})"]
    assert scratch.said(True) == []
    (other.folder / "fingerprint.json").write_text("{")
    [text] = scratch.said(False)
    assert "other seed, stage1.lr, stage1.epochs" in text


def test_of_old_runs_the_last_few_are_left(scratch: Scratch):
    with _elsewhere():
        others = [_saved(name, age=100 * number) for number, name in enumerate("uvwxyz")]
    with module._locked(others[4].folder / "lock", "stage1"):  # another process goes on with it
        scratch.prune()
    assert [other.folder.exists() for other in others] == [True, True, True, False, True, False]


def test_processes_may_prune_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As two workspaces do that share their saved runs; each thread takes locks of its own."""
    monkeypatch.chdir(tmp_path)
    run, ready = Scratch("stage1", PARTS), threading.Barrier(2)

    def prune() -> None:
        ready.wait()
        run.prune()

    for _ in range(10):
        others = [_saved(name, age=100 * number) for number, name in enumerate("qrstuvwxyz")]
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(prune) for _ in range(2)]:
                done.result()
        assert [other.folder.exists() for other in others] == [True] * 3 + [False] * 7


def test_a_state_that_vanishes_is_none_of_the_others(scratch: Scratch, monkeypatch: pytest.MonkeyPatch):
    with _elsewhere():
        others = [_saved(name, age=100 * number) for number, name in enumerate("uvwxyz")]
    glob = Path.glob

    def late(path: Path, pattern: str) -> list[Path]:
        found = list(glob(path, pattern))
        shutil.rmtree(others[0].folder, ignore_errors=True)
        return found

    monkeypatch.setattr(Path, "glob", late)
    assert scratch.said(False) == [f"begins afresh: the last run was with other stage1.lr ({others[1].folder.name})"]


def _holder(path: Path, seconds: float) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_second_process_waits_and_then_fails_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    run = Scratch("stage1", PARTS)
    with run.held():
        pass
    process = _holder(run.folder / "lock", 60)
    begun = time.monotonic()
    with pytest.raises(InputError, match=rf"^stage1: process {process.pid} is training it: wait until") as caught:
        run.held().__enter__()
    assert 0.3 < time.monotonic() - begun < 3 and "\n" not in str(caught.value)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with run.held():  # a lock goes with its process
        assert (run.folder / "lock").read_text() == str(os.getpid())


def test_a_second_process_gets_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = Scratch("stage1", PARTS)
    with run.held():
        pass
    process, begun = _holder(run.folder / "lock", 0.5), time.monotonic()
    with run.held():
        assert time.monotonic() - begun > 0.3
    assert process.wait() == 0


def test_a_workspace_trains_a_stage_once_at_a_time(scratch: Scratch, monkeypatch: pytest.MonkeyPatch):
    """Its results are the same files, whatever the params."""
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    with pytest.raises(InputError, match=rf"^stage1: process {os.getpid()} is training it"):
        Scratch("stage1", PARTS | {"seed": "1"}).held().__enter__()
    with Scratch("stage2", PARTS).held():
        pass
    with _elsewhere():
        with Scratch("stage1", PARTS | {"seed": "1"}).held():
            pass
        with pytest.raises(InputError, match="is training it"):
            Scratch("stage1", PARTS).held().__enter__()
