from __future__ import annotations

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from stages.detectors.fasterrcnn import FasterRcnn
from stages.detectors.roi_pooling import PooledByProduct, bin_weights
from tests.detectors.families import frames, fresh

# Around and beyond the borders of an image of 96 x 128 pixels, without area, thinner than a cell.
BOXES = torch.tensor(
    [[3.0, 5, 90, 70], [0, 0, 128, 96], [-40, -60, 20, 200], [140, 100, 150, 110], [64, 32, 64, 32], [31, 1, 33, 95]]
)


def pools(training: bool = True) -> tuple[MultiScaleRoIAlign, PooledByProduct]:
    names, size, ratio = ["0", "1"], 7, 2
    pair = MultiScaleRoIAlign(names, size, ratio), PooledByProduct(names, size, ratio)
    return tuple(pool.train(training) for pool in pair)


def features(height: int, width: int, levels: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {str(level): torch.randn(3, 5, height, width, generator=generator) for level in range(levels)}


def pooled(pool: MultiScaleRoIAlign, maps: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """What is pooled of BOXES, none and two boxes in three images, and the gradient of a sum of it."""
    maps = {name: each.clone().requires_grad_() for name, each in maps.items()}
    result = pool(maps, [BOXES, BOXES[:0], BOXES[:2]], [(96, 128)] * 3)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    (result * weights).sum().backward()
    return result, maps["0"].grad


def test_it_pools_as_torchvision_does():
    theirs, ours = (pooled(pool, features(3, 4)) for pool in pools())
    for ours_value, value in zip(ours, theirs, strict=True):
        assert torch.allclose(ours_value, value, atol=1e-5)
    assert theirs[1].abs().max() > 1


def test_it_leaves_to_torchvision_what_is_no_small_level_and_prediction():
    large = features(30, 40)
    theirs, ours = (pooled(pool, large) for pool in pools())
    assert torch.equal(ours[0], theirs[0])
    two = features(12, 16, 1) | {"1": features(6, 8)["1"]}
    theirs, ours = (pooled(pool, two) for pool in pools())
    assert torch.equal(ours[0], theirs[0])
    theirs, ours = (pooled(pool, features(3, 4)) for pool in pools(training=False))
    assert torch.equal(ours[0], theirs[0])


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0.0, 2.0, [[0.5, 0.5, 0], [0, 0.5, 0.5]]),  # samples at .5 and 1.5
        (1.0, 1.5, [[0, 0.75, 0.25], [0, 0.25, 0.75]]),  # widened to a cell
        (-4.0, 0.0, [[0, 0, 0], [1, 0, 0]]),  # samples at -3 and -1
        (1.0, 5.0, [[0, 0, 1], [0, 0, 0]]),  # samples at 2 and 4
    ],
)
def test_the_weights_of_a_side(start: float, stop: float, expected: list):
    weights = bin_weights(torch.tensor([start]), torch.tensor([stop]), cells=3, bins=2, samples=1)
    assert torch.equal(weights, torch.tensor([expected]))


def test_a_detector_loses_the_same(monkeypatch: pytest.MonkeyPatch):
    torch.set_num_threads(1)
    losses, gradients = [], []
    for pool in (PooledByProduct.forward, MultiScaleRoIAlign.forward):
        monkeypatch.setattr(PooledByProduct, "forward", pool)
        detector, batch = fresh("fasterrcnn", "mobilenetv3-large-fpn").train(), frames(1, 5)
        assert isinstance(detector, FasterRcnn)
        detector.network.roi_heads.fg_bg_sampler.batch_size_per_image = 32
        torch.manual_seed(0)
        loss = sum(detector(batch).values())
        loss.backward()
        losses.append(loss.item())
        gradients.append(detector.network.backbone.fpn.inner_blocks[0][0].weight.grad)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-5)
