"""Fixtures of the tests of training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import runs, training_keys


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A run takes signals over for good: a program has one; here there are many."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """See `runs.project`; tests work in its folder."""
    monkeypatch.chdir(tmp_path)
    runs.project(tmp_path)
    return tmp_path


@pytest.fixture
def train(project: Path) -> training_keys.Train:
    """See `training_keys.train`."""
    return training_keys.train
