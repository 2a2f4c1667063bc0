"""What each family exports, held against PyTorch: YOLO is in test_export_model.py, on real weights."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages.deployment import export_model
from stages.deployment.checking import Difference
from stages.deployment.real_frames import RealFrame, with_empty
from stages.deployment.ultralytics_file import write
from stages.detectors import Detector
from stages.detectors.card import Card
from stages.errors import InputError
from stages.params.model import Detection
from tests.detectors.families import frames, fresh, learn, settle_batchnorm
from tests.rectangles import picture
from tests.small_networks import RTDETR


def _export(detector: Detector, target: str, path: Path, scale: int, empty: bool = True) -> tuple[Difference, dict]:
    """Check on a square frame, a wide one and, if wanted, even grey, which a fresh network finds things all over."""
    large = cv2.resize(picture(1), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    # Where a picture is even, scores tie, and which of them is the best is left to chance.
    large = cv2.addWeighted(large, 0.5, np.random.default_rng(0).integers(0, 256, large.shape, np.uint8), 0.5, 0)
    shown = [RealFrame("square", large), RealFrame("wide", large[: len(large) // 2])]
    card = Card(detector.architecture, 64 * scale)
    shown = with_empty(shown) if empty else shown
    difference = export_model(detector.eval(), card, target, path, shown, Detection())
    return difference, json.loads(Path(f"{path}.json").read_text())


def _with_scores(detector: Detector, gain: float, bias: float) -> Detector:
    """A fresh network whose scores are neither all alike nor near 0."""
    state = detector.network.state_dict()
    for name in detector.class_tensors():
        state[name].mul_(bias if name.endswith("bias") else gain)
    return detector


@pytest.mark.parametrize(("target", "suffix"), [("onnx", ".onnx"), ("torchscript", ".torchscript")])
@pytest.mark.parametrize("family", ["simple", "rtdetr"])
def test_any_batch_and_size(tmp_path: Path, family: str, target: str, suffix: str):
    (tmp_path / "tiny.yaml").write_text(RTDETR)
    model = {"simple": "simple-tiny", "rtdetr": str(tmp_path / "tiny.yaml")}[family]
    detector = _with_scores(fresh(family, model), 30, 0.3)
    difference, description = _export(detector, target, tmp_path / f"a{suffix}", 2, empty=False)
    assert difference.inputs == ((1, 3, 128, 128), (1, 3, 64, 128), (3, 3, 128, 128))
    assert sum(difference.detections) >= 20 and difference.box < 0.01 and difference.score < 1e-4
    assert description["input"]["shape"] == ["batch", 3, "height", "width"]
    assert description["outputs"][1]["shape"] == ["batch", "n", 2] and not description["suppression"]["in_file"]


def test_ultralytics_opens_an_rtdetr(tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(RTDETR)
    detector = _with_scores(fresh("rtdetr", str(tmp_path / "tiny.yaml")), 30, 0.3)
    difference, description = _export(detector, "ultralytics", tmp_path / "a.pt", 2)
    assert sum(difference.detections) >= 20 and difference.box < 0.01 and difference.score < 1e-4
    assert (description["classes"], description["image_size"]) == (["person", "car"], 128)


@pytest.mark.parametrize("family", ["yolo", "rtdetr"])
def test_a_file_for_ultralytics_names_no_class_of_ours(tmp_path: Path, family: str):
    (tmp_path / "tiny.yaml").write_text(RTDETR)
    detector = fresh(family, {"yolo": "yolov8-pico", "rtdetr": str(tmp_path / "tiny.yaml")}[family])
    kinds = {type(module) for module in detector.network.modules()}
    write(detector, Card(detector.architecture, 64), detector.exportable(0, 1, 0), frames(1).images, {}, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as file:
        pickled = next(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))
    assert b"BatchNorm2d" in pickled and b"stages" not in pickled
    assert {type(module) for module in detector.network.modules()} == kinds  # the network itself is left as it is


@pytest.fixture(scope="module")
def ssdlite() -> Detector:
    detector, batch = fresh("ssdlite", "ssdlite320-mobilenetv3-large"), frames(1, 2, scale=2)
    learn(detector, batch, steps=30)
    settle_batchnorm(detector, batch)
    return detector


@pytest.mark.parametrize(("target", "suffix"), [("onnx", ".onnx"), ("torchscript", ".torchscript")])
def test_torchvision_holds_its_own_suppression(ssdlite: Detector, tmp_path: Path, target: str, suffix: str):
    difference, description = _export(ssdlite, target, tmp_path / f"a{suffix}", 2)
    assert difference.inputs == ((1, 3, 128, 128),)
    assert difference.detections[0] >= 2 and difference.box < 0.01 and difference.score < 1e-4
    assert description["input"]["shape"] == [1, 3, 128, 128]
    assert [output["name"] for output in description["outputs"]] == ["boxes", "scores", "classes"]
    assert description["suppression"] == {"in_file": True, "min_score": 0.05, "nms_iou": 0.7, "max_objects": 300}


def test_nothing_proposed_is_no_error(tmp_path: Path):
    detector = _with_scores(fresh("fasterrcnn", "mobilenetv3-large-fpn"), 4, 1)
    detector.network.rpn._pre_nms_top_n["testing"] = 40  # for time: of each level
    propose = detector.network.rpn.head.bbox_pred
    with torch.no_grad():
        propose.bias[2::4] = 0.5
    difference, _ = _export(detector, "onnx", tmp_path / "a.onnx", 2)
    assert sum(difference.detections) >= 20 and difference.box < 0.1 and difference.score < 1e-4
    with torch.no_grad():
        propose.weight.zero_()
        propose.bias[0::4] = 1e4  # every proposal is far outside, and clipped to nothing
    with torch.no_grad():
        assert [len(rows) for rows in detector.predict(frames(1, scale=2).images, 0.05, 0.7, 300)] == [0]
    difference, _ = _export(detector, "onnx", tmp_path / "b.onnx", 2)
    assert difference.detections == (0, 0, 0)


def test_rfdetr_at_any_batch(tmp_path: Path):
    detector = _with_scores(fresh("rfdetr", "nano"), 8, 0.3)
    # On even grey all places tie for being a query, and processors break ties differently.
    difference, _ = _export(detector, "onnx", tmp_path / "a.onnx", 5, empty=False)
    assert difference.inputs == ((1, 3, 320, 320), (3, 3, 320, 320))
    assert sum(difference.detections) >= 3 and difference.box < 0.01 and difference.score < 1e-3


def test_a_network_that_onnx_cannot_hold_is_one_line(ssdlite: Detector, tmp_path: Path, monkeypatch):
    def fail(*_, **__):
        raise torch.onnx.OnnxExporterError("no such\noperator")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(
        InputError, match=r"PyTorch cannot write it as ONNX \(no such operator\): choose another target"
    ):
        _export(ssdlite, "onnx", tmp_path / "a.onnx", 2)
    assert not list(tmp_path.iterdir())
