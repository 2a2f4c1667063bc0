"""Training an appearance model: it learns, gives the same bytes again, and goes on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.appearance.crops import draw_crops
from stages.appearance.training import train
from stages.params.reid import Reid
from stages.watching import Step, Watcher
from tests.individuals import REID as LARGER
from tests.individuals import SEQUENCES, write_individuals
from tests.rectangles import write_params

STEPS = 16  # of a run
REID = LARGER | {"image_size": [32, 32]}


class KilledError(Exception):
    """Stands for a kill."""


class Notes(Watcher):
    """Keeps what it is told."""

    def __init__(self):
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.done = 0

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        self.done = done

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("project")
    write_individuals(folder, "street", SEQUENCES)
    params = write_params(folder, {"reid": {"people": REID}})
    draw_crops(params, "people", folder / "crops", folder / "data/sources")
    return folder / "crops"


@pytest.fixture(scope="module")
def whole(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list, Notes]:
    """A run without a break."""
    watch = Notes()
    return *run(crops, tmp_path_factory.mktemp("whole"), watch), watch


def run(
    crops: Path, root: Path, watch: Watcher | None = None, between: Callable = lambda step: None, **changes: object
) -> tuple[dict[str, torch.Tensor], list[dict]]:
    reid = Reid.model_validate(REID | changes, strict=False)
    return train("people", reid, crops, 0, watch or Watcher(), root=root, between=between)


def killed_before(step: int) -> Callable:
    def between(done: int) -> None:
        if done == step:
            raise KilledError

    return between


def saving_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.training.saving._SOONEST", 0.0)
    monkeypatch.setattr("stages.training.saving._COST", 1e9)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_it_learns_and_tells_how(whole: tuple[dict, list, Notes]):
    _, history, watch = whole
    assert [row["epoch"] for row in history] == [1, 2] and len(watch.steps) == STEPS
    assert history[1]["loss"] < history[0]["loss"]
    for row in history:
        assert row["loss"] == pytest.approx(row["loss_softmax"] + row["loss_triplet"])
    mean = sum(step.losses["loss"] for step in watch.steps[:8]) / 8
    assert history[0]["loss"] == pytest.approx(mean)


def test_rates_warm_up_and_follow_a_cosine(whole: tuple[dict, list, Notes]):
    rates = [step.rates["network"] for step in whole[2].steps]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[8] == pytest.approx(1e-3 * (0.01 + 0.99 / 2))
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("step", [3, 8])
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    crops: Path, whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
):
    saving_always(monkeypatch)
    with pytest.raises(KilledError):
        run(crops, tmp_path, between=killed_before(step))
    watch = Notes()
    tensors, history = run(crops, tmp_path, watch)
    assert watch.done == step and len(watch.steps) == STEPS - step
    assert same(tensors, whole[0]) and history == whole[1]


def test_a_finished_run_is_not_run_again(crops: Path, tmp_path: Path):
    first = run(crops, tmp_path, epochs=1)
    watch = Notes()
    again = run(crops, tmp_path, watch, killed_before(0), epochs=1)
    assert watch.steps == [] and same(first[0], again[0]) and first[1] == again[1]
    with pytest.raises(KilledError):  # another one is, and says why
        run(crops, tmp_path, watch, killed_before(0), epochs=1, lr=2e-3)
    assert "begins afresh: the last run was with other reid.lr" in watch.notes[0]


def test_other_crops_are_another_run(crops: Path, tmp_path: Path):
    run(crops, tmp_path, epochs=1)
    path = next((crops / "bounding_box_train").iterdir())
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    with pytest.raises(KilledError):
        run(crops, tmp_path, between=killed_before(0), epochs=1)
    path.write_bytes(content)
