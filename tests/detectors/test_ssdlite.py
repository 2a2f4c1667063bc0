from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import detection

from stages.detectors.ssdlite import SsdLite
from tests.detectors import families
from tests.detectors.families import frames, fresh

MODEL = "ssdlite320-mobilenetv3-large"


def test_it_learns_frames_by_heart_and_is_saved_whole(tmp_path: Path):
    detector, batch = fresh("ssdlite", MODEL), frames(1, 5, scale=2)
    losses = families.learn(detector, batch, steps=60, lr=2e-3, decay=True)
    assert losses[-5:].mean() < 0.05 * losses[0]
    families.settle_batchnorm(detector, batch)
    families.assert_right(detector, batch)
    families.assert_obeys_thresholds(detector, batch.images, min_score=0.3)
    families.assert_saved_whole(detector, batch, tmp_path)


def test_parts_and_class_tensors():
    detector = fresh("ssdlite", MODEL, ("a", "b", "c"), base=90)
    families.assert_parts_are_whole(detector)
    families.assert_class_tensors_count(detector)
    assert len(detector.class_tensors()) == 12
    families.assert_only_class_tensors_differ(detector, fresh("ssdlite", MODEL))


def test_losses_are_means_over_frames_and_stand_anything():
    detector, batch = fresh("ssdlite", MODEL), frames(1, 5)
    families.assert_mean_over_frames(detector)
    families.assert_any_number_of_boxes(detector, batch)
    families.assert_any_shape(detector, (1, 2))
    families.assert_works_in_half_precision(detector, batch)
    families.assert_blocks_recompute(detector, batch)


def test_a_frame_of_many_objects_weighs_as_much_as_one_of_few():
    detector, both = fresh("ssdlite", MODEL).eval(), frames(1, 5)
    both = families.without_boxes(both, 0)
    # In eval mode BatchNorm does not tie frames to one another; TorchVision's model gives losses in training mode only.
    detector.network.training = True
    with torch.no_grad():
        parts = detector(both)
        alone = [detector(both.piece(place, place + 1)) for place in range(2)]
    for name, part in parts.items():
        assert alone[0][name] == 0 < alone[1][name]
        assert float(part) == pytest.approx(float(alone[1][name]) / 2, rel=1e-4)


def test_published_weights_predict_what_the_makers_model_does(tmp_path: Path):
    torch.manual_seed(0)
    makers = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    families.shake(makers)
    makers.transform.fixed_size = (96, 64)  # width and height
    torch.save(makers.state_dict(), tmp_path / "weights.pth")
    tensors, card = SsdLite.read(tmp_path / "weights.pth", MODEL)
    assert card.architecture.classes[:3] == ("person", "bicycle", "car") and card.image_size == 320
    assert len(card.architecture.classes) == 90
    detector = fresh("ssdlite", MODEL, card.architecture.classes)
    detector.network.load_state_dict(tensors)
    images = frames(1, 5).images
    families.assert_predicts_like(detector, makers, torch.cat([images, images[..., :32]], 3))


def test_errors_are_one_line(tmp_path: Path):
    families.assert_refuses_foreign_files(SsdLite, MODEL, tmp_path)
    families.assert_input_error(lambda: fresh("ssdlite", "ssd"), "params.yaml: detector.model", f"name one of {MODEL}")
    address = "https://download.pytorch.org/models/ssdlite320_mobilenet_v3_large_coco-a79551df.pth"
    assert SsdLite.published(MODEL) == address
