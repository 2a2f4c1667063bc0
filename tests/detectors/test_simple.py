from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.detectors import Batch
from stages.detectors.simple import Simple, boxes_of, centre_targets, focal_loss, owners
from tests.detectors import families
from tests.detectors.families import frames, fresh


def _boxes(*boxes: list[float], classes: list[int], frame: list[int], count: int = 1) -> Batch:
    images = torch.zeros(count, 3, 32, 32, dtype=torch.uint8)
    return Batch(images, torch.tensor(boxes).reshape(-1, 4), torch.tensor(classes), torch.tensor(frame))


def test_it_learns_frames_by_heart_and_is_saved_whole(tmp_path: Path):
    detector, batch = fresh("simple", "simple-tiny"), families.without_boxes(frames(1, 5, 9), 2)
    batch.images[2] = 90  # nothing to see where there are no boxes
    losses = families.learn(detector, batch, steps=120, lr=4e-3, decay=True)
    assert losses[-5:].mean() < 0.05 * losses[0]
    families.settle_batchnorm(detector, batch)
    families.assert_right(detector, batch, iou=0.7)
    families.assert_obeys_thresholds(detector, batch.images, min_score=0.3)
    families.assert_saved_whole(detector, batch, tmp_path)


@pytest.mark.parametrize(("model", "millions"), [("simple-tiny", 0.32), ("simple-small", 3.79)])
def test_parts_and_class_tensors(model: str, millions: float):
    detector, other = fresh("simple", model, ("a", "b", "c")), fresh("simple", model, base=3)
    families.assert_parts_are_whole(detector)
    families.assert_class_tensors_count(detector)
    families.assert_only_class_tensors_differ(detector, other)
    assert sum(p.numel() for p in detector.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_losses_are_means_over_frames_and_stand_anything():
    detector = fresh("simple", "simple-tiny")
    families.assert_mean_over_frames(detector)
    families.assert_any_number_of_boxes(detector, frames(1, 5))
    families.assert_any_shape(detector, (1, 2))
    families.assert_any_shape(detector, (1, 1))
    families.assert_works_in_half_precision(detector, frames(1, 5))
    families.assert_blocks_recompute(detector, frames(1, 5))


def test_sides_become_boxes_around_the_middles_of_cells():
    sides = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1).expand(1, 4, 2, 3)
    boxes = boxes_of(sides).view(2, 3, 4)
    # The first cell's middle is (2, 2); a cell is 4 pixels.
    assert boxes[0, 0].tolist() == [-2, -6, 14, 18]
    assert boxes[1, 2].tolist() == [6, -2, 22, 22]


def test_centres_are_one_and_fall_off_with_the_box():
    batch = _boxes([8, 8, 32, 16], [0, 0, 4, 4], classes=[1, 0], frame=[1, 1], count=2)
    heat = centre_targets(batch, (2, 8, 8))
    assert heat.shape == (2, 2, 8, 8) and (heat[0] == 0).all()
    assert torch.nonzero(heat == 1).tolist() == [[1, 0, 0, 0], [1, 1, 3, 5]]
    # 24 pixels are 6 cells: a standard deviation of 0.54 cells across, and a third of that down.
    assert heat[1, 1, 3, 4] == pytest.approx(torch.tensor(-1 / (2 * 0.54**2)).exp().item())
    assert heat[1, 1, 2, 5] == pytest.approx(torch.tensor(-1 / (2 * 0.18**2)).exp().item(), rel=1e-4)


def test_the_focal_loss_is_that_of_the_paper():
    scores, heat = torch.tensor([0.0, 0.0, 0.0, 20.0]), torch.tensor([1.0, 0.0, 0.5, 1.0])
    half = 0.25 * torch.tensor(2.0).log()  # p = 0.5
    assert torch.allclose(focal_loss(scores, heat), torch.stack([half, half, half / 16, torch.tensor(0.0)]), atol=1e-6)


def test_cells_near_a_centre_belong_to_the_smallest_box():
    batch = _boxes([0, 0, 32, 32], [16, 16, 22, 22], [29, 29, 31, 31], classes=[0, 0, 0], frame=[0, 0, 0])
    owner = owners(batch, 8, 8).view(8, 8)
    # The first is large: nine cells around (4, 4). The second holds the middle of its own cell (18, 18) only, the third
    # no middle but that of its centre's cell, (30, 30), and both take it.
    expected = torch.full((8, 8), 3)
    expected[3:6, 3:6] = 0
    expected[4, 4], expected[7, 7] = 1, 2
    assert owner.tolist() == expected.tolist()
    assert owners(_boxes(classes=[], frame=[]), 8, 8).tolist() == [0] * 64  # 0 boxes: 0 means none


def test_errors_name_the_models():
    families.assert_input_error(
        lambda: fresh("simple", "large"), "params.yaml: detector.model: no model `large`", "simple-tiny, simple-small"
    )
    families.assert_input_error(lambda: Simple.published("simple-tiny"), "no weights are published for `simple-tiny`")
    families.assert_input_error(lambda: Simple.read(Path("x.pth"), "simple-tiny"), "x.pth", "give a .safetensors file")
