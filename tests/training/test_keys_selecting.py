"""Keys that say what a stage starts from, when it is validated and ends, and which weights leave it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.detectors.card import MODELS, Card
from stages.detectors.checkpoint import read_safetensors, save_checkpoint
from stages.errors import InputError
from stages.training import run as stage_run
from tests.rectangles import write_params
from tests.stub_detector import ARCHITECTURE, Script, StubDetector
from tests.training_keys import Row, Train

EXACT, ROUGH, PERSONS = (0, 0), (3, 3), (0, None)  # what a validation finds: shifts of both classes' boxes in pixels


def validate_every(train: Train) -> None:
    run = train(validate_every=2, epochs=3)
    assert ["mAP" in row for row in run.outcome.history] == [False, True, True]
    assert len(run.script.validated) == 2


def patience(train: Train) -> None:
    found = [ROUGH, EXACT, ROUGH, PERSONS, EXACT, EXACT]
    run = train(patience=2, epochs=6, script=Script(found))
    assert [row["mAP"] for row in run.outcome.history] == pytest.approx([0.4, 1.0, 0.4, 0.5], abs=1e-6)
    assert run.outcome.selected["epoch"] == 2 and run.outcome.settings["ended_early"]
    assert run.outcome.settings["epochs"] == 4 and run.outcome.settings["steps"] == 8
    late = train(patience=4, epochs=6, script=Script(found))
    assert late.outcome.settings["epochs"] == 6 and not late.outcome.settings["ended_early"]
    sparse = train(patience=2, epochs=6, validate_every=2, script=Script([EXACT, ROUGH, ROUGH]))
    assert [row["epoch"] for row in sparse.outcome.history] == [1, 2, 3, 4]


def select(train: Train) -> None:
    best, last = (
        train(select=kind, epochs=3, lr=0.1, script=Script([ROUGH, EXACT, ROUGH])) for kind in ("best", "last")
    )
    assert (best.outcome.selected["epoch"], best.outcome.selected["score"]) == (2, 1.0)
    # Shifted by 3, boxes 12 and 20 wide have IoU 9/15 and 17/23: over COCO's thresholds, 0.3 and 0.5.
    assert (last.outcome.selected["epoch"], last.outcome.selected["score"]) == (3, pytest.approx(0.4, abs=1e-6))
    assert not torch.equal(best.outcome.tensors["3.weight"], last.outcome.tensors["3.weight"])
    average = last.trainer.state.ema.detector.network.state_dict()
    assert torch.equal(last.outcome.tensors["3.weight"], average["3.weight"])
    assert train(select="best", epochs=3).outcome.selected["epoch"] == 1  # of equal scores, the earliest
    again = train(select="last", epochs=3, lr=0.1)  # the same run: validation changes nothing
    assert torch.equal(again.after["3.weight"], best.after["3.weight"])


def metric(train: Train) -> None:
    # First all boxes roughly right (mAP 0.4, mAP50 1), then persons alone and exactly (mAP and mAP50 0.5).
    by_map, by_map50 = (train(metric=name, script=Script([ROUGH, PERSONS])) for name in ("mAP", "mAP50"))
    assert (by_map.outcome.selected["epoch"], by_map.outcome.selected["score"]) == (2, 0.5)
    assert (by_map50.outcome.selected["epoch"], by_map50.outcome.selected["score"]) == (1, 1.0)
    assert by_map50.outcome.selected["metric"] == "mAP50"


def keep_every(train: Train) -> None:
    run = train(keep_every=2, epochs=5, ema=0.0)
    assert run.outcome.progress.kept == [2, 4]
    [scratch] = Path(".skyward/runs").glob("stage1-*/epoch-0002.safetensors")
    for epoch in (2, 4):
        kept, state = read_safetensors(scratch.with_name(f"epoch-000{epoch}.safetensors")), run.states[2 * epoch - 1]
        assert kept.keys() == state.keys() and all(torch.equal(kept[name], state[name]) for name in kept)
    assert train(epochs=5).outcome.progress.kept == []


def min_loaded(train: Train) -> None:
    torch.manual_seed(0)
    parent = replace(ARCHITECTURE, classes=("person",))
    save_checkpoint(MODELS / "pretrained", StubDetector(parent).network.state_dict(), Card(parent, 64))
    # The car's class row, 4 weights and a bias, is fresh.
    total = sum(t.numel() for t in StubDetector().network.state_dict().values())
    share = (total - 5) / total
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_run, "build", StubDetector)
        changes = {"stage1.min_loaded": round(share - 0.001, 4)}
        child = stage_run.inherit(write_params(Path.cwd(), changes), "stage1")
        assert child.handoff.share == pytest.approx(share, abs=1e-6) and child.handoff.new_classes == ["car"]
        assert child.parent.architecture == parent
        params = write_params(Path.cwd(), {"stage1.min_loaded": 0.99})
        with pytest.raises(InputError, match=r"^stage1: models/pretrained: the parent gave 97\.9% of the weights, 99%"):
            stage_run.inherit(params, "stage1")


ROWS: dict[str, Row] = {
    "validate_every": validate_every,
    "patience": patience,
    "select": select,
    "metric": metric,
    "keep_every": keep_every,
    "min_loaded": min_loaded,
}


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)
