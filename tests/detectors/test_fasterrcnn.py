from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from torchvision.models import detection, resnet50
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d

from stages.detectors import Detector, torchvision_network, torchvision_weights
from stages.detectors.fasterrcnn import FasterRcnn
from tests.detectors import families
from tests.detectors.families import frames, fresh

MODELS = {
    "resnet50-fpn": "fasterrcnn_resnet50_fpn_coco-258fb6c6",
    "resnet50-fpn-v2": "fasterrcnn_resnet50_fpn_v2_coco-dd69338a",
    "mobilenetv3-large-fpn": "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7",
    "efficientnet-b0-fpn": None,
}
MOBILE = "mobilenetv3-large-fpn"


def _sample_few(detector: Detector, proposals: int = 32) -> None:
    """512 proposals a frame, as TorchVision samples, take long on a processor."""
    detector.network.roi_heads.fg_bg_sampler.batch_size_per_image = proposals


def test_it_learns_frames_by_heart_and_is_saved_whole(tmp_path: Path):
    detector, batch = fresh("fasterrcnn", MOBILE), frames(1, 5, scale=2)
    _sample_few(detector, 64)
    losses = families.learn(detector, batch, steps=60, lr=3e-4, decay=True)
    assert losses[-5:].mean() < 0.15 * losses[0]
    families.settle_batchnorm(detector, batch)
    families.assert_right(detector, batch)
    families.assert_obeys_thresholds(detector, batch.images, min_score=0.3)
    families.assert_saved_whole(detector, batch, tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_parts_and_a_loss(model: str):
    detector = fresh("fasterrcnn", model, ("a", "b", "c"), base=90)
    _sample_few(detector)
    families.assert_parts_are_whole(detector)
    families.assert_class_tensors_count(detector)
    assert len(detector.class_tensors()) == 4
    assert not [m for m in detector.modules() if isinstance(m, FrozenBatchNorm2d)]
    families.assert_blocks_recompute(detector, frames(1))


def test_only_class_tensors_depend_on_the_classes():
    families.assert_only_class_tensors_differ(fresh("fasterrcnn", MOBILE), fresh("fasterrcnn", MOBILE, ("a",)))


def test_losses_are_means_over_frames_and_stand_anything():
    detector, batch = fresh("fasterrcnn", MOBILE), frames(1, 5)
    families.assert_mean_over_frames(detector, prepare=_sample_all)
    _sample_few(detector)
    families.assert_any_number_of_boxes(detector, batch)
    families.assert_any_shape(detector, (1, 2))
    families.assert_works_in_half_precision(detector, batch)


def _sample_all(detector: Detector) -> None:
    """Nothing is drawn where all are taken."""
    detector.network.roi_heads.fg_bg_sampler.batch_size_per_image = 10_000
    detector.network.rpn.fg_bg_sampler.batch_size_per_image = 10_000


def test_a_frame_counts_as_much_as_another_whatever_is_sampled_of_it():
    from stages.detectors.fasterrcnn import _head_loss

    detector = fresh("fasterrcnn", MOBILE)
    rpn, labels = detector.network.rpn, [torch.tensor([1.0, 0.0]), torch.tensor([0.0] * 6)]
    objectness, deltas = torch.tensor([0.0, 0.0] + [50.0] * 6)[:, None], torch.zeros(8, 4)
    loss, _ = rpn.compute_loss(objectness, deltas, labels, [torch.zeros(2, 4), torch.zeros(6, 4)])
    assert loss == pytest.approx((0.693147 + 50) / 2)
    nothing = _head_loss(torch.zeros(0, 3), torch.zeros(0, 12), torch.zeros(0), torch.zeros(0, 4))
    assert [float(value) for value in nothing.values()] == [0, 0]


def test_anchors_and_what_boxes_are_made_of_stay_in_full_precision():
    detector = fresh("fasterrcnn", MOBILE).eval()
    with torch.autocast("cpu", torch.bfloat16):
        rows = detector.predict(frames(1, scale=2).images, 0.0, 0.5, 5)[0]
    assert rows.dtype == torch.float32
    anchors = detector.network.rpn.anchor_generator.cell_anchors
    assert all(anchor.dtype == torch.float32 for anchor in anchors)


def _published_resnet() -> torch.nn.Module:
    """TorchVision's model as it loads its first COCO weights: frozen BatchNorm without eps."""
    torch.manual_seed(0)
    body = _resnet_fpn_extractor(resnet50(weights=None, norm_layer=FrozenBatchNorm2d), 3)
    network = detection.FasterRCNN(body, 91, min_size=64, max_size=64)
    families.shake(network)
    overwrite_eps(network, 0.0)
    return network


def test_published_weights_predict_what_the_makers_model_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torchvision_network, "made_without_eps", lambda path, weights: weights is not None)
    makers = _published_resnet()
    # As the file has it, which is older than the model: one layer has another name, and no batches were counted.
    state = {name.replace("rpn.head.conv.0.0", "rpn.head.conv"): value for name, value in makers.state_dict().items()}
    assert not [name for name in state if "num_batches" in name] and "rpn.head.conv.weight" in state
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    tensors, card = FasterRcnn.read(path, "resnet50-fpn")
    assert card.architecture.classes[:3] == ("person", "bicycle", "car") and card.image_size == 1344
    assert len(card.architecture.classes) == card.architecture.base_classes == 90
    detector = fresh("fasterrcnn", "resnet50-fpn", card.architecture.classes)
    detector.network.load_state_dict(tensors)
    families.assert_predicts_like(detector, makers, frames(1, 5).images)


def test_other_classes_than_the_makers_have_no_names_of_their_own(tmp_path: Path):
    network = detection.fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None, num_classes=3)
    families.shake(network)
    network.transform.min_size, network.transform.max_size = (64,), 64
    # As TorchVision's training script saves it.
    torch.save({"model": network.state_dict(), "epoch": 25, "args": argparse.Namespace(lr=0.02)}, tmp_path / "own.pth")
    tensors, card = FasterRcnn.read(tmp_path / "own.pth", MOBILE)
    assert card.architecture.classes == ("class1", "class2")
    detector = fresh("fasterrcnn", MOBILE)
    detector.network.load_state_dict(tensors)
    families.assert_predicts_like(detector, network, frames(1, 5).images)
    families.assert_input_error(
        lambda: FasterRcnn.read(tmp_path / "own.pth", "resnet50-fpn"), "weights do not fit `resnet50-fpn`"
    )


def test_only_the_published_file_itself_was_made_without_eps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old, new = (FasterRcnn.variants[model].weights for model in ("resnet50-fpn", "resnet50-fpn-v2"))
    path = tmp_path / "weights.pth"
    path.write_bytes(b"a file of somebody's own")
    assert not torchvision_weights.made_without_eps(path, old)
    monkeypatch.setattr(torchvision_weights, "sha256_of", lambda path: "258fb6c6" + "0" * 56)
    assert torchvision_weights.made_without_eps(path, old)
    assert not torchvision_weights.made_without_eps(path, new) and not torchvision_weights.made_without_eps(path, None)


def test_files_that_are_none_are_refused(tmp_path: Path):
    families.assert_refuses_foreign_files(FasterRcnn, MOBILE, tmp_path)


@pytest.mark.parametrize(("model", "name"), MODELS.items())
def test_weights_come_from_their_makers(model: str, name: str | None):
    if name:
        assert FasterRcnn.published(model) == f"https://download.pytorch.org/models/{name}.pth"
    else:
        families.assert_input_error(lambda: FasterRcnn.published(model), f"no weights are published for `{model}`")


def test_an_unknown_model_is_one_line():
    known = "name one of resnet50-fpn, resnet50-fpn-v2, mobilenetv3-large-fpn, efficientnet-b0-fpn"
    families.assert_input_error(
        lambda: fresh("fasterrcnn", "vgg"), "params.yaml: detector.model: no model `vgg`", known
    )
    families.assert_input_error(lambda: FasterRcnn.published("vgg"), known)
