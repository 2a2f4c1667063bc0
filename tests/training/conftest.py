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
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> training_keys.Train:
    """See `training_keys.train`."""
    monkeypatch.chdir(tmp_path)
    runs.project(tmp_path)
    return training_keys.train
