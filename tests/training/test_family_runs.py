"""Every family through the one loop: killed and gone on with, and with gradient checkpointing, to the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.detectors import Architecture, Detector, build
from stages.training.handoff import hand_over
from tests import runs
from tests.small_networks import RTDETR, thin_rfdetr

FAMILIES = {
    "yolo": "yolo26-pico",  # its loss changes from epoch to epoch
    "rtdetr": "tiny-rtdetr.yaml",
    "fasterrcnn": "mobilenetv3-large-fpn",
    "ssdlite": "ssdlite320-mobilenetv3-large",
    "retinanet": "resnet50-fpn",
    "rfdetr": "tiny",
    "simple": "simple-tiny",
}
LIGHT = {"optimizer": "sgd", "ema": 0.0, "select": "last", "epochs": 1}  # 34 million parameters take their time
FAST = {"memory.batch": 2, "mixture.sources": {"street": {"frames": 4}}, "mixture.validation_frames": 2}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    runs.project(tmp_path)
    (tmp_path / "tiny-rtdetr.yaml").write_text(RTDETR)
    with thin_rfdetr():
        yield tmp_path


def _detector(family: str, classes: tuple[str, ...] = ("person", "car")) -> Detector:
    torch.manual_seed(1)
    return build(Architecture(family, FAMILIES[family], classes, 2))


def _same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", FAMILIES)
def test_killed_recomputed_and_handed_on(project: Path, family: str):
    knobs = FAST | {"lr": 1.0e-4} | (LIGHT if family == "retinanet" else {})
    params = runs.prepare(project, "stage1", knobs)
    whole = runs.run(params, detector=_detector(family))
    kills = [1, 3][: knobs.get("epochs", 2)]  # in the middle of each epoch
    assert whole.progress.step == 2 * len(kills) and not _same(whole.tensors, _detector(family).network.state_dict())
    runs.forget()
    for step in kills:
        with pytest.raises(runs.KilledError):
            runs.run(params, detector=_detector(family), trainer=runs.killed_after(step))
    resumed = runs.run(params, detector=_detector(family))
    assert resumed.progress.resumed_at == kills
    assert _same(resumed.tensors, whole.tensors) and resumed.history == whole.history
    params = runs.prepare(project, "stage1", knobs | {"memory.gradient_checkpointing": True})
    recomputed = runs.run(params, detector=_detector(family))
    assert _same(recomputed.tensors, whole.tensors) and recomputed.history == whole.history
    report = hand_over(_detector(family, ("car", "person")), whole.tensors, ("person", "car"))
    assert report.share == 1.0 and not report.new and report.reshaped
