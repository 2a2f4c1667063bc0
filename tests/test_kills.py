"""A run that is killed, each time another part of it, ends as one that never was."""

from __future__ import annotations

import pytest

from tests import killing
from tests.pipeline import Clone

EPOCHS = 60  # of two steps


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    detector = {"family": "simple", "model": "simple-tiny"}
    clone = killing.training_project(tmp_path_factory.mktemp("kills") / "clone", EPOCHS, detector)
    clone.commit("Prepare")
    return clone


def test_killed_three_times(clone: Clone):
    clone.dvc("repro", killing.TARGET)
    whole = killing.result(clone)
    killing.forget(clone)
    done = 0
    for victim in killing.VICTIMS:
        goal = done + 20
        assert killing.repro_killed(clone, victim, lambda goal=goal: killing.saved_steps(clone) >= goal)
        done = killing.saved_steps(clone)
    assert "goes on after step" in clone.dvc("repro", killing.TARGET)
    assert killing.result(clone) == whole


def test_experiments_go_on_from_the_main_repository(clone: Clone):
    """They run in temporary folders, which are gone after a kill; the second one is taken from the queue."""
    change = ("-S", "stage1.lr=2e-3", killing.TARGET)
    killing.forget(clone)
    assert killing.repro_killed(
        clone, "both", lambda: killing.saved_steps(clone) >= 20, ("exp", "run", "--temp", *change)
    )
    assert killing.repro_killed(
        clone, "both", lambda: killing.saved_steps(clone) >= 40, ("exp", "run", "--temp", *change)
    )
    clone.dvc("exp", "run", "--queue", *change)
    clone.dvc("exp", "run", "--run-all")
    first, second = killing.resumes(clone)
    assert 0 < first <= 40 <= second + 20 and killing.saved_steps(clone) == 2 * EPOCHS
