"""stages/training/pace.py: how long a run has trained, over all its processes' lives."""

from __future__ import annotations

import pytest

from stages.training import pace as module
from stages.training.pace import Pace
from stages.training.state import Progress


def test_seconds_go_on_from_what_earlier_processes_took(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    pace, progress = Pace(), Progress(training_seconds=60.0)
    now = 105.0
    assert pace.seconds(progress) == 65.0
    pace.add_to(progress, 10.0)
    now = 107.0
    assert pace.seconds(progress) == 67.0
    assert progress.training_seconds == 65.0


def test_images_per_second_are_those_of_the_last_steps(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    pace = Pace()
    for step in range(40):
        now += 10.0 if step < 10 else 0.5
        pace.stepped(8)
    assert pace.images_per_second == 16.0
    assert pace.seconds_left(4) == 2.0
