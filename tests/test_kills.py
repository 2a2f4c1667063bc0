"""A run that is killed, each time another part of it, ends as one that never was."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests import killing
from tests.pipeline import Clone

SECONDS = 12.0  # of training: three kills wait for a save each


@dataclass(frozen=True)
class Long:
    """A project whose one stage trains for so many ``epochs``."""

    clone: Clone
    epochs: int

    def killed_after_a_save(self, victim: str, *command: str) -> int:
        """Kill a run once it has saved more than the last one did; returns the steps on record then."""
        before = killing.saved_steps(self.clone)
        command = command or ("repro", killing.TARGET)
        assert killing.repro_killed(self.clone, victim, lambda: killing.saved_steps(self.clone) > before, command)
        return killing.saved_steps(self.clone)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Long:
    detector = {"family": "simple", "model": "simple-tiny"}
    clone, epochs = killing.lasting_project(tmp_path_factory.mktemp("kills") / "clone", SECONDS, detector)
    clone.commit("Prepare")
    return Long(clone, epochs)


def test_killed_three_times(long: Long):
    clone = long.clone
    clone.dvc("repro", killing.TARGET)
    whole = killing.result(clone)
    killing.forget(clone)
    for victim in killing.VICTIMS:
        assert 0 < long.killed_after_a_save(victim) < 2 * long.epochs
    assert "goes on after step" in clone.dvc("repro", killing.TARGET)
    assert len(killing.resumes(clone)) == len(killing.VICTIMS)
    assert killing.result(clone) == whole


def test_experiments_go_on_from_the_main_repository(long: Long):
    """They run in temporary folders, which are gone after a kill; the second one is taken from the queue."""
    clone, change = long.clone, ("-S", "stage1.lr=2e-3", killing.TARGET)
    killing.forget(clone)
    saved = [long.killed_after_a_save("both", "exp", "run", "--temp", *change) for _ in range(2)]
    clone.dvc("exp", "run", "--queue", *change)
    clone.dvc("exp", "run", "--run-all")
    first, second = killing.resumes(clone)
    assert 0 < first <= saved[0] and first < second <= saved[1]
    assert killing.saved_steps(clone) == 2 * long.epochs
