"""When a run is saved, what that may cost, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from stages.training import saving
from stages.training.loop import Trainer
from stages.training.processes import LAUNCHER, Processes
from stages.training.saving import Saves, Stopped
from stages.training.state import Progress
from tests import runs


class Clock:
    """A scratch folder that takes its time, and the clock that shows it."""

    def __init__(self, takes: float = 0.0):
        self.now, self.takes, self.saved = 100.0, takes, []

    def monotonic(self) -> float:
        return self.now

    def save(self, tensors: dict, progress: Progress) -> None:
        self.now += self.takes
        self.saved.append(self.now)


class State:
    """As much of a run's state as saving needs."""

    def __init__(self):
        self.progress = Progress(step=3)

    def tensors(self) -> dict:
        return {}

    def up_to_date(self) -> Progress:
        return self.progress


def _saves(clock: Clock, monkeypatch: pytest.MonkeyPatch, rank: int = 0) -> Saves:
    processes = Processes.__new__(Processes)
    processes.rank, processes.count = rank, 1
    monkeypatch.setattr(saving, "time", clock)
    return Saves("stage1", clock, processes)


@pytest.mark.parametrize(("takes", "apart"), [(0.0, 1.0), (0.01, 1.0), (0.05, 4.0), (2.0, 160.0)])
def test_saving_costs_an_eightieth_of_the_time_and_no_more(monkeypatch: pytest.MonkeyPatch, takes: float, apart: float):
    clock, state = Clock(takes), State()
    saves, steps = _saves(clock, monkeypatch), int(3.5 * apart / 0.25)
    for _ in range(steps):
        saves.between_steps(state, finished=False)
        clock.now += 0.25
    gaps = [later - takes - earlier for earlier, later in pairwise([100.0, *clock.saved])]
    assert len(gaps) >= 3 and 1 - 1e-9 <= gaps[0] <= 1.25
    assert all(apart - 1e-9 <= gap <= apart + 0.25 for gap in gaps[1:])
    assert state.progress.saving_seconds == pytest.approx(len(gaps) * takes)
    saves.between_steps(state, finished=True)  # the end is always saved
    assert len(clock.saved) == len(gaps) + 1


def test_one_process_saves(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    _saves(clock, monkeypatch, rank=1).between_steps(State(), finished=True)
    assert clock.saved == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_between_steps(monkeypatch: pytest.MonkeyPatch, number: signal.Signals):
    clock = Clock()
    saves = _saves(clock, monkeypatch)
    saves.between_steps(State(), finished=False)
    os.kill(os.getpid(), number)
    assert clock.saved == [] and signal.getsignal(number) == signal.SIG_DFL  # a second one ends the process at once
    message = rf"^stage1: stopped by {number.name}: saved after step 3: run again: it goes on there$"
    with pytest.raises(Stopped, match=message):
        saves.between_steps(State(), finished=False)
    assert len(clock.saved) == 1


def test_a_finished_run_is_not_stopped(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    saves = _saves(clock, monkeypatch)
    os.kill(os.getpid(), signal.SIGTERM)
    saves.between_steps(State(), finished=True)
    assert len(clock.saved) == 1


def test_without_the_dvc_that_started_it_a_run_stops(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    saves = _saves(clock, monkeypatch)
    saves.between_steps(State(), finished=False)
    monkeypatch.setattr(saving.STARTER, "has_ended", lambda: True)
    with pytest.raises(Stopped, match=r"^stage1: the dvc that started it has ended: saved after step 3: run again"):
        saves.between_steps(State(), finished=False)
    assert len(clock.saved) == 1


def test_without_the_process_that_launched_them_all_stop(monkeypatch: pytest.MonkeyPatch):
    launcher = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setenv(LAUNCHER, str(launcher.pid))
    saves = _saves(Clock(), monkeypatch)
    saves.between_steps(State(), finished=False)
    launcher.kill()
    launcher.wait()
    with pytest.raises(Stopped, match=r"^stage1: the process that launched it has ended: saved after step 3"):
        saves.between_steps(State(), finished=False)


def _told_at(step: int) -> type[Trainer]:
    class Told(Trainer):
        def _step(self, *arguments: object) -> None:
            if self.progress.step == step:
                os.kill(os.getpid(), signal.SIGTERM)  # in the middle of what would be the next
            super()._step(*arguments)

    return Told


def test_stopped_and_gone_on_with_to_the_last_bit(project: Path):
    params = runs.prepare(project, "stage1", {"epochs": 3, "keep_every": 1})
    whole = runs.run(params)
    runs.forget()
    with pytest.raises(Stopped, match=r"^stage1: stopped by SIGTERM: saved after step 3: run again: it goes on there$"):
        runs.run(params, trainer=_told_at(2))
    notes = runs.Notes()
    again = runs.run(params, watch=notes)
    assert notes.notes == ["goes on after step 3 of 6"] and again.progress.resumed_at == [3]
    assert 0 < again.progress.earlier_seconds < again.progress.training_seconds
    assert [step.step for step in notes.steps] == [4, 5, 6] and again.progress.kept == [1, 2, 3]
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in whole.tensors.items())
    assert again.history == whole.history


def test_more_workers_go_on_with_the_same_run(project: Path):
    params = runs.prepare(project, "stage1", {})
    whole = runs.run(params)
    runs.forget()
    with pytest.raises(runs.KilledError):
        runs.run(params, trainer=runs.killed_after(1))
    again = runs.run(runs.prepare(project, "stage1", {"memory.workers": 2}))
    assert again.progress.resumed_at == [1]
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in whole.tensors.items())


def test_changed_params_begin_afresh_and_say_what_changed(project: Path):
    with pytest.raises(runs.KilledError):
        runs.run(runs.prepare(project, "stage1", {}), trainer=runs.killed_after(1))
    notes = runs.Notes()
    other = runs.run(runs.prepare(project, "stage1", {"lr": 0.003, "augment.flip": 0.1}), watch=notes)
    [text] = notes.notes
    assert text.startswith("begins afresh: the last run was with other stage1.lr, stage1.augment.flip (stage1-")
    assert other.progress.resumed_at == [] and [step.step for step in notes.steps] == [1, 2, 3, 4]
    again = runs.run(runs.prepare(project, "stage1", {}))
    assert again.progress.resumed_at == [1]  # the first run is still there


def test_a_damaged_state_begins_afresh(project: Path):
    params = runs.prepare(project, "stage1", {})
    whole = runs.run(params)
    [path] = Path(".skyward/runs").glob("*/state.safetensors")
    path.write_bytes(path.read_bytes()[:1000])
    notes = runs.Notes()
    again = runs.run(params, watch=notes)
    assert len(notes.steps) == 4 and again.progress.resumed_at == []
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in whole.tensors.items())
