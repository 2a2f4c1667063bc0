from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from stages.detectors import Detector
from stages.detectors.rfdetr import RfDetr
from tests.detectors import families
from tests.detectors.families import frames, fresh
from tests.small_networks import thin_rfdetr


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with thin_rfdetr():
        yield


@pytest.fixture(scope="module")
def learnt(_tiny: None) -> tuple[Detector, torch.Tensor]:
    detector = fresh("rfdetr", "tiny")
    return detector, families.learn(detector, frames(1, 5), steps=160, until=0.1)


def test_it_learns_a_few_frames_by_heart(learnt: tuple[Detector, torch.Tensor], tmp_path: Path):
    detector, losses = learnt
    assert losses[0] > 12 and losses[-5:].mean() <= 0.13 * losses[0]
    families.assert_right(detector, frames(1, 5), iou=0.7)
    families.assert_obeys_thresholds(detector, frames(1, 5).images, min_score=0.5)
    families.assert_saved_whole(detector, frames(1, 5), tmp_path)


def test_parts_class_tensors_and_blocks():
    three, two = fresh("rfdetr", "tiny", ("a", "b", "c")), fresh("rfdetr", "tiny", base=80)
    families.assert_parts_are_whole(three)
    families.assert_class_tensors_count(three)
    families.assert_only_class_tensors_differ(three, two)
    families.assert_blocks_recompute(two, frames(1, 5))
    # The weight and the bias of the decoder's layer, and of the encoder's in every group of queries.
    assert len(three.class_tensors()) == 2 + 2 * 3 and len(three.blocks()) == 3 + 1 + 2


def test_all_that_can_be_trained_has_a_gradient():
    detector = fresh("rfdetr", "tiny").train()
    for batch in (frames(1), families.without_boxes(frames(1), 0)):
        detector.zero_grad()
        sum(detector(batch).values()).backward()
        assert [name for name, p in detector.named_parameters() if p.grad is None] == []


def test_any_shape_any_number_of_boxes_and_half_precision(learnt: tuple[Detector, torch.Tensor]):
    detector, _ = learnt
    families.assert_any_shape(detector, (2, 3))
    families.assert_any_number_of_boxes(detector, frames(1, 5))
    families.assert_works_in_half_precision(detector, frames(1, 5))


def test_frames_with_fewer_patches_than_queries_are_padded(learnt: tuple[Detector, torch.Tensor]):
    detector = learnt[0].eval()
    small = frames(1).images[:, :, :32]  # 2 x 4 patches for 16 queries
    padded = torch.full_like(frames(1).images, 114)
    padded[:, :, :32] = small
    (ours,), (expected,) = (detector.predict(images, 0.0, 0.5, 20) for images in (small, padded))
    assert torch.equal(ours, expected)
    person = ours[ours[:, 5] == 0][0]  # its lower end, at 30, is still within
    assert torchvision.ops.box_iou(person[None, :4], torch.tensor([[5.0, 6.0, 17.0, 30.0]])) > 0.5


def test_the_loss_is_a_mean_over_frames():
    families.assert_mean_over_frames(fresh("rfdetr", "tiny"))


def test_of_one_frame_it_is_the_packages_own_loss():
    from stages.detectors.rfdetr_quietly import NestedTensor, build_criterion_from_config, config

    detector, batch = fresh("rfdetr", "tiny").train(), frames(5)
    ours = {name: float(part.detach()) for name, part in detector(batch).items()}
    settings = config.RFDETRNanoConfig(group_detr=3, dec_layers=2, pretrain_weights="/none", device="cpu")
    criterion, _ = build_criterion_from_config(settings, config.TrainConfig(dataset_dir="."))
    colours = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
    images = (batch.images / 255 - colours[0]) / colours[1]
    outputs = detector.network(NestedTensor(images, torch.zeros(1, 64, 64, dtype=torch.bool)))
    boxes = torch.tensor([[0.359375, 0.28125, 0.1875, 0.375], [0.53125, 0.734375, 0.3125, 0.21875]])
    losses = criterion.train()(outputs, [{"labels": batch.classes, "boxes": boxes}])
    weights = {"ce": (1.0, "loss_cls"), "bbox": (5.0, "loss_l1"), "giou": (2.0, "loss_giou")}
    for kind, (weight, name) in weights.items():
        # Two layers of the decoder, the first of them auxiliary, and the encoder.
        total = weight * sum(float(losses[f"loss_{kind}{layer}"].detach()) for layer in ("", "_0", "_enc"))
        assert ours[name] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(("model", "stride", "position"), [("nano", 32, 24), ("base", 56, 37), ("large", 32, 44)])
def test_models_of_full_size_are_built_without_a_network(
    monkeypatch: pytest.MonkeyPatch, model: str, stride: int, position: int
):
    """Nothing is fetched: where a socket would be opened, there is none."""
    dinov2 = sys.modules["rfdetr.models.backbone.dinov2"]
    monkeypatch.setattr(dinov2, "get_config", _whole_config)
    monkeypatch.setitem(dinov2.size_to_width, "small", 384)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked for something"))
    detector = fresh("rfdetr", model)
    tensors = detector.network.state_dict()
    grid = tensors["backbone.0.encoder.encoder.embeddings.position_embeddings"]
    assert detector.stride == stride and grid.shape[1] == position**2 + 1
    assert len(detector.class_tensors()) == 2 + 2 * 13
    families.assert_class_tensors_count(detector)


def _whole_config(size: str, registers: bool) -> dict:
    folder = Path(sys.modules["rfdetr.models.backbone.dinov2"].__file__).parent / "dinov2_configs"
    return json.loads((folder / f"dinov2_{size}.json").read_text())


def test_an_unknown_model_is_one_line():
    for call in (lambda: fresh("rfdetr", "huge"), lambda: RfDetr.published("huge")):
        families.assert_input_error(call, "params.yaml: detector.model: no model `huge`", "nano, small, medium, large")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("nano", "nano_coco/checkpoint_best_regular.pth"),
        ("large", "rf-detr-large-2026.pth"),
        ("large-2025", "rf-detr-large.pth"),
        ("base", "rf-detr-base-coco.pth"),
    ],
)
def test_what_is_published(model: str, name: str):
    assert RfDetr.published(model) == f"https://storage.googleapis.com/rfdetr/{name}"


def _their_file(path: Path, rows: int, arguments: object) -> dict[str, torch.Tensor]:
    """Write a file in the makers' layout, its class rows counting 0, 1, ...; returns its tensors."""
    tensors = dict(fresh("rfdetr", "tiny", tuple(map(str, range(rows)))).network.state_dict())
    for name in [name for name in tensors if "class_embed" in name]:
        tensors[name] = tensors[name] * 0 + torch.arange(rows).view(-1, *[1] * (tensors[name].ndim - 1))
    del tensors["_kp_active_mask"]
    torch.save({"model": tensors, "args": arguments, "epoch": 3}, path)
    return tensors


def test_published_files_are_read_by_cocos_numbers(tmp_path: Path):
    theirs = _their_file(tmp_path / "nano.pth", 91, argparse.Namespace(resolution=96, class_names=[]))
    tensors, card = RfDetr.read(tmp_path / "nano.pth", "tiny")
    names = card.architecture.classes
    assert len(names) == 80 and names[:3] == ("person", "bicycle", "car") and names[-1] == "toothbrush"
    assert card.architecture.family == "rfdetr" and card.architecture.model == "tiny" and card.image_size == 96
    rows = dict(zip(names, tensors["class_embed.bias"].tolist(), strict=True))
    assert rows["person"] == 1 and rows["stop sign"] == 13 and rows["toothbrush"] == 90
    assert tensors["transformer.enc_out_class_embed.2.weight"][1].eq(2).all()
    detector = fresh("rfdetr", "tiny", names)
    detector.network.load_state_dict(tensors)
    key = "backbone.0.projector.stages.0.0.cv1.conv.weight"
    assert torch.equal(detector.network.state_dict()[key], theirs[key])


def test_fine_tuned_files_are_read_by_their_own_names(tmp_path: Path):
    _their_file(tmp_path / "best.pth", 3, {"class_names": ["drone", "boat"]})
    tensors, card = RfDetr.read(tmp_path / "best.pth", "tiny")
    assert card.architecture.classes == ("drone", "boat") and card.image_size == 384
    assert tensors["class_embed.bias"].tolist() == [0, 1]
    _their_file(tmp_path / "nameless.pth", 3, None)
    call = lambda: RfDetr.read(tmp_path / "nameless.pth", "tiny")  # noqa: E731
    families.assert_input_error(call, "nameless.pth: 3 rows of classes and 0 names", "names its classes")


class _Harm:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "list", "harm", "others", "suffix"])
def test_a_damaged_or_foreign_file_is_one_line(tmp_path: Path, kind: str):
    path = tmp_path / ("net.onnx" if kind == "suffix" else "net.pth")
    contents = {"list": [1], "harm": {"model": _Harm(tmp_path / "harm")}, "others": {"model": {"a": torch.zeros(1)}}}
    torch.save(contents.get(kind, {"model": {"weight": torch.zeros(300)}}), path)
    if kind in ("cut", "text", "empty"):
        path.write_bytes({"cut": path.read_bytes()[:700], "text": b"no weights", "empty": b""}[kind])
    families.assert_input_error(lambda: RfDetr.read(path, "nano"), str(path))
    assert not (tmp_path / "harm").exists()


def test_the_rest_of_the_package_is_left_out():
    """A network has been built and trained by now, and RF-DETR's package has not been run as a whole."""
    assert "rfdetr.models.lwdetr" in sys.modules
    assert not {"rfdetr", "rfdetr.detr", "rfdetr.training", "pytorch_lightning"} & sys.modules.keys()
    assert not hasattr(np, "complex_")
    kinds = {type(handler).__name__ for handler in logging.getLogger("rf-detr").handlers}
    assert "_RedirectAwareStreamHandler" not in kinds, kinds
