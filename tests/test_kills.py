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


def test_an_experiment_goes_on_from_the_main_repository(clone: Clone):
    """It runs in a temporary folder, which is gone after a kill."""
    command = ("exp", "run", "--temp", "-S", "stage1.lr=2e-3", killing.TARGET)
    killing.forget(clone)
    assert killing.repro_killed(clone, "both", lambda: killing.saved_steps(clone) >= 20, command)
    assert "goes on after step" in clone.dvc(*command)
    assert killing.saved_steps(clone) == 2 * EPOCHS
