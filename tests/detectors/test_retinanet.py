from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import detection, resnet50
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from stages.detectors import torchvision_network
from stages.detectors.retinanet import RetinaNet
from tests.detectors import families
from tests.detectors.families import frames, fresh

MODELS = {
    "resnet50-fpn": "retinanet_resnet50_fpn_coco-eeacb38b",
    "resnet50-fpn-v2": "retinanet_resnet50_fpn_v2_coco-5905b1c5",
}


def test_it_learns_frames_by_heart_and_is_saved_whole(tmp_path: Path):
    detector, batch = fresh("retinanet", "resnet50-fpn"), frames(1, 5)
    losses = families.learn(detector, batch, steps=26, lr=5e-4, decay=True)
    assert losses[-5:].mean() < 0.15 * losses[0]
    families.settle_batchnorm(detector, batch)
    families.assert_right(detector, batch)
    families.assert_obeys_thresholds(detector, batch.images, min_score=0.3)
    families.assert_saved_whole(detector, batch, tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_parts_and_a_loss(model: str):
    detector = fresh("retinanet", model, ("a", "b", "c"), base=90)
    families.assert_parts_are_whole(detector)
    families.assert_class_tensors_count(detector)
    assert detector.network.state_dict()["head.classification_head.cls_logits.bias"].shape == (27,)
    families.assert_blocks_recompute(detector, frames(1))
    assert RetinaNet.published(model) == f"https://download.pytorch.org/models/{MODELS[model]}.pth"


def test_losses_are_means_over_frames_and_stand_anything():
    detector, batch = fresh("retinanet", "resnet50-fpn"), frames(1, 5)
    families.assert_only_class_tensors_differ(detector, fresh("retinanet", "resnet50-fpn", ("a",)))
    # What is rounded may put a ReLU's input, at zero, on its other side.
    families.assert_mean_over_frames(detector, rel=1e-2)
    families.assert_any_number_of_boxes(detector, batch)
    families.assert_any_shape(detector, (1, 2))
    families.assert_works_in_half_precision(detector, batch)


def test_published_weights_predict_what_the_makers_model_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torchvision_network, "made_without_eps", lambda path, weights: weights is not None)
    torch.manual_seed(0)
    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    body = _resnet_fpn_extractor(body, 3, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    makers = detection.RetinaNet(body, 91, min_size=64, max_size=64)
    families.shake(makers)
    # TorchVision's COCO weights know background as a class of which they never see one.
    makers.head.classification_head.cls_logits.bias.data.view(9, 91)[:, 0] = -50
    overwrite_eps(makers, 0.0)
    path = tmp_path / "weights.pth"
    torch.save({_old(name): value for name, value in makers.state_dict().items()}, path)
    tensors, card = RetinaNet.read(path, "resnet50-fpn")
    assert card.architecture.classes[:3] == ("person", "bicycle", "car") and len(card.architecture.classes) == 90
    detector = fresh("retinanet", "resnet50-fpn", card.architecture.classes)
    detector.network.load_state_dict(tensors)
    families.assert_predicts_like(detector, makers, frames(1, 5).images)


def _old(name: str) -> str:
    """As the published file names the layers of the branches: 0, 2, 4 and 6."""
    for number in range(4):
        if f"_head.conv.{number}.0." in name:
            return name.replace(f"conv.{number}.0", f"conv.{2 * number}")
    return name


def test_errors_are_one_line(tmp_path: Path):
    families.assert_refuses_foreign_files(RetinaNet, "resnet50-fpn", tmp_path)
    families.assert_input_error(
        lambda: fresh("retinanet", "vgg"), "params.yaml: detector.model", "name one of resnet50-fpn, resnet50-fpn-v2"
    )
