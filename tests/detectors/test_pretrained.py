from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision

from stages import download_weights
from stages.detectors import Architecture, build
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import load_detector, save_checkpoint
from stages.detectors.frames import detect
from stages.detectors.pretrained import read_pretrained
from stages.detectors.yolo import Yolo
from stages.errors import InputError
from stages.files import sha256_of
from stages.training.handoff import hand_over, require_share
from tests.rectangles import TINY_MODEL, write_params


@pytest.fixture(scope="module")
def weights(real_data: Path) -> Path:
    path = real_data / "weights/yolov8n.pt"
    if not path.exists():
        pytest.skip(f"no COCO weights: {path} is absent")
    return path


@pytest.fixture(scope="module")
def coco(weights: Path) -> tuple[dict[str, torch.Tensor], Card]:
    return read_pretrained(weights, "yolo", "yolov8n")


def _network(model: str, *classes: str, base: int = 80):
    torch.manual_seed(0)
    return build(Architecture("yolo", model, classes, base))


def test_coco_rows_carry_over_by_name(coco):
    tensors, card = coco
    assert card.architecture.classes[:3] == ("person", "bicycle", "car") and len(card.architecture.classes) == 80
    child = _network("yolov8n", "person", "car")
    report = hand_over(child, tensors, card.architecture.classes)
    state = child.network.state_dict()
    assert len(child.class_tensors()) == 6
    for name, tensor in state.items():
        expected = tensors[name][[0, 2]] if name in child.class_tensors() else tensors[name]
        assert torch.equal(tensor, expected), name
    assert report.card()["tensors"] == {"loaded": 349, "reshaped": 6, "new": 0, "dropped": 0}
    assert report.share == 1.0 and set(report.reshaped) == set(child.class_tensors())
    require_share(report, 1.0, "here")


def test_reordered_and_new_classes(coco):
    tensors, card = coco
    child = _network("yolov8n", "car", "drone", "person")
    fresh = {name: child.network.state_dict()[name].clone() for name in child.class_tensors()}
    report = hand_over(child, tensors, card.architecture.classes)
    for name in child.class_tensors():
        rows = child.network.state_dict()[name]
        assert torch.equal(rows[[0, 2]], tensors[name][[2, 0]]) and torch.equal(rows[1], fresh[name][1])
    assert report.carried_classes == ["car", "person"] and report.new_classes == ["drone"]
    assert 0.9999 < report.share < 1


def test_a_parent_of_another_architecture_is_one_clear_line(coco):
    tensors, card = coco
    report = hand_over(_network("yolo11n", "person", "car"), tensors, card.architecture.classes)
    with pytest.raises(InputError) as caught:
        require_share(report, 0.95, "stage1: models/pretrained")
    message = str(caught.value)
    assert (
        message.startswith("stage1: models/pretrained: the parent gave ")
        and "95% are asked for (min_loaded)" in message
    )
    assert "check detector.model" in message and "\n" not in message


@pytest.mark.parametrize(("sequence", "least"), [("MOT17-02-FRCNN", 4), ("MOT17-04-FRCNN", 8)])
def test_the_carried_head_finds_people_in_a_real_frame(coco, real_data: Path, sequence: str, least: int):
    tensors, card = coco
    child = _network("yolov8n", "person", "car").eval()
    hand_over(child, tensors, card.architecture.classes)
    folder = real_data / "mot17-mini" / sequence
    image = cv2.imread(str(folder / "img1/000001.jpg"))
    settings = {"image_size": 640, "batch": 1, "min_score": 0.5, "nms_iou": 0.7, "max_objects": 100}
    (found,) = detect(child, [image], **settings)
    people = torch.from_numpy(found[found[:, 5] == 0])
    gt = np.loadtxt(folder / "gt/gt.txt", delimiter=",", dtype=np.float32)
    gt = gt[(gt[:, 0] == 1) & (gt[:, 6] == 1) & (gt[:, 7] == 1), 2:6]
    boxes = torch.from_numpy(np.hstack([gt[:, :2], gt[:, :2] + gt[:, 2:]]))
    right = torchvision.ops.box_iou(people[:, :4], boxes).max(1).values > 0.5
    assert int(right.sum()) >= least and right.float().mean() > 0.75


def _project(folder: Path, monkeypatch: pytest.MonkeyPatch, path: Path | str, sha256: str | None, model: str) -> None:
    monkeypatch.chdir(folder)
    torch.set_num_threads(1)
    write_params(folder, {"weights": {"path": str(path), "sha256": sha256}, "detector.model": model})


def test_the_stage_writes_tensors_with_a_card(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert sha256_of(weights).startswith("f59b3d83")
    _project(tmp_path, monkeypatch, weights, sha256_of(weights), "yolov8n")
    download_weights.main()
    detector, card = load_detector(Path("models/pretrained"))
    assert len(card.architecture.classes) == card.architecture.base_classes == 80 and card.image_size == 640
    assert str(tmp_path) not in Path("models/pretrained/card.json").read_text()
    assert str(weights.parent) not in Path("models/pretrained/card.json").read_text()
    assert detector.architecture.model == "yolov8n"


def test_published_weights_come_from_their_makers_address(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Here the makers' address is a file; without a network the address that cannot be reached is one line."""
    _project(tmp_path, monkeypatch, "published", sha256_of(weights), "yolov8n")
    assert Yolo.published("yolov8n").startswith("https://github.com/ultralytics/assets/releases/download/")
    monkeypatch.setattr(Yolo, "published", lambda model: str(weights.parent / f"{model}.pt"))
    download_weights.main()
    assert load_card(Path("models/pretrained")).settings["origin"] == {
        "file": "yolov8n.pt",
        "sha256": sha256_of(weights),
    }
    monkeypatch.setattr(Yolo, "published", lambda model: f"http://127.0.0.1:9/{model}.pt")
    shutil.rmtree(".skyward", ignore_errors=True)
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:9/yolov8n\.pt: "):
        download_weights.main()


def test_weights_of_another_model_are_one_line(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _project(tmp_path, monkeypatch, weights, sha256_of(weights), "yolo11n")
    with pytest.raises(InputError, match=r"weights do not fit `yolo11n` .*: set detector.model to theirs"):
        download_weights.main()
    assert not Path("models").exists()


def test_scratch_is_the_same_weights_for_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    hashes = []
    for seed in (0, 0, 1):
        write_params(tmp_path, {"seed": seed})
        download_weights.main()
        hashes.append(sha256_of("models/pretrained/model.safetensors"))
    assert hashes[0] == hashes[1] != hashes[2]
    assert load_detector(Path("models/pretrained"))[1].architecture.classes == ("person", "car")


class _Malicious:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


def _malicious(path: Path) -> None:
    torch.save({"model": _Malicious(path.parent / "harm")}, path)


def _old_malicious(path: Path) -> None:
    torch.save({"model": _Malicious(path.parent / "harm")}, path, _use_new_zipfile_serialization=False)


def _tensors_only(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


def _text(path: Path) -> None:
    path.write_text("not weights\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    torch.save({"weight": torch.zeros(300)}, path)
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize("write", [_malicious, _old_malicious, _tensors_only, _text, _empty, _cut])
def test_what_is_no_checkpoint_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write):
    path = tmp_path / "net.pt"
    write(path)
    _project(tmp_path, monkeypatch, path, sha256_of(path), "yolov8n")
    with pytest.raises(InputError) as caught:
        download_weights.main()
    assert str(caught.value).startswith(f"{path}: no Ultralytics detection checkpoint (") and "\n" not in str(
        caught.value
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.pt", "params.yaml", "tiny.yaml"]


def test_a_wrong_sha256_fails_before_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _text(tmp_path / "net.pt")
    _project(tmp_path, monkeypatch, tmp_path / "net.pt", "0" * 64, "yolov8n")
    monkeypatch.setattr(download_weights, "read_pretrained", lambda *_: pytest.fail("was read"))
    with pytest.raises(InputError, match=r"net\.pt.*sha256"):
        download_weights.main()
    assert not Path("models").exists()


def test_safetensors_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tiny.yaml").write_text(TINY_MODEL)
    monkeypatch.chdir(tmp_path)
    parent = _network("tiny.yaml", "person", "bus", base=2)
    save_checkpoint(tmp_path / "theirs", parent.network.state_dict(), Card(parent.architecture, 128))
    path = tmp_path / "theirs/model.safetensors"
    _project(tmp_path, monkeypatch, path, sha256_of(path), "tiny.yaml")
    download_weights.main()
    detector, card = load_detector(Path("models/pretrained"))
    assert card.architecture.classes == ("person", "bus") and card.image_size == 128
    assert all(torch.equal(t, parent.network.state_dict()[name]) for name, t in detector.network.state_dict().items())


def test_another_kind_of_file(tmp_path: Path):
    with pytest.raises(
        InputError, match=r"net\.onnx: unknown kind of weights `\.onnx`: give a \.pt or a \.safetensors"
    ):
        read_pretrained(tmp_path / "net.onnx", "yolo", "yolov8n")
