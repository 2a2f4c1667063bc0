from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.explaining.heat import (
    along_first_component,
    eigen_heat,
    grad_cam,
    gradient_heat,
    in_use,
    read_layer,
    recorded,
)


def test_gradient_heat_is_what_each_cell_gave_to_the_score():
    maps = torch.tensor([[[1.0, 2], [3, 4]], [[1, -1], [0, 1]]])[None].requires_grad_()
    weights = torch.tensor([[[1.0, 0], [-1, 0.5]], [[2, 1], [0, 1]]])[None]
    heat = gradient_heat((weights * maps).sum(), [maps], (2, 2))
    assert heat.tolist() == [[3, 0], [0, 3]]  # 1 + 2; 0 - 1; -3; 2 + 1: what is negative is no heat


def test_layers_count_by_what_they_gave():
    """Enlarged, a cell is shared out among its pixels: the sum over the frame is that over the cells."""
    fine, coarse = torch.ones(1, 1, 4, 4, requires_grad=True), torch.ones(1, 1, 1, 1, requires_grad=True)
    score = 2 * fine.sum() + 16 * coarse.sum()
    assert torch.allclose(gradient_heat(score, [fine, coarse], (8, 8)), torch.full((8, 8), 48 / 64))
    assert gradient_heat(score, [torch.ones(1, 1, 2, 2, requires_grad=True)], (4, 4)).sum() == 0


def test_a_gradient_that_is_no_number_is_no_heat():
    maps = torch.tensor([[[[0.0, 4.0]]]], requires_grad=True)
    assert gradient_heat(maps.sqrt().sum(), [maps], (1, 2)).tolist() == [[0, 1]]


def test_a_head_reads_the_last_layer_that_matters():
    first = torch.ones(1, 1, 2, 2, requires_grad=True)
    second, other = first * 2, torch.ones(1, 1, 1, 1, requires_grad=True)
    maps = {"first": [first], "second": [second], "other": [other]}
    assert read_layer(second.sum(), maps) == "second"
    assert read_layer(first.sum(), maps) == "first"
    assert read_layer(torch.ones(1, requires_grad=True).sum(), maps) is None


def test_grad_cam_weighs_channels_by_their_mean_gradient():
    torch.manual_seed(0)
    layer, weights = nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 4, 5, 5)
    image = torch.rand(1, 3, 5, 5, requires_grad=True)
    heat = grad_cam(lambda x: (layer(x) * weights).sum((1, 2, 3)), image, layer, (5, 5))
    expected = (weights.mean((2, 3), keepdim=True) * layer(image)).sum(1)[0].clamp(min=0)
    assert torch.allclose(heat, expected, atol=1e-6) and expected.max() > 0.01
    assert not layer._forward_hooks and not layer._backward_hooks and layer.weight.grad is None


def test_eigen_heat_is_warm_where_few_cells_differ_from_the_rest():
    torch.manual_seed(0)
    odd = torch.randn(5)
    for sign in (1, -1):  # whichever way the channels point
        features = 0.01 * torch.randn(5, 6, 6)
        features[:, 2, 3] += sign * odd
        warm = along_first_component(features)
        assert warm.shape == (6, 6) and (warm >= 0).all() and int(warm.argmax()) == 2 * 6 + 3
        assert warm[2, 3] > 0.8 * warm.sum()


def test_a_flat_map_has_no_component():
    assert along_first_component(torch.ones(3, 4, 4)).tolist() == torch.zeros(4, 4).tolist()
    assert along_first_component(torch.full((3, 4, 4), torch.nan)).sum() == 0
    maps = [torch.ones(1, 2, 3, 3), torch.eye(4).expand(1, 2, 4, 4)]
    assert torch.equal(eigen_heat(maps, (8, 8)), eigen_heat(maps[1:], (8, 8)))
    assert eigen_heat([], (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout())
    network[1].eval()
    with pytest.raises(RuntimeError), torch.no_grad(), in_use(network), recorded(network, ["0", "1"]) as maps:
        assert torch.is_grad_enabled() and not network[2].training
        network(torch.ones(1, 3, 2, 2))
        assert list(maps) == ["0", "1"] and maps["0"][0].shape == (1, 2, 2, 2)
        network(torch.ones(1, 5, 2, 2))  # fails
    assert [module.training for module in network] == [True, False, True] and network.training
    assert not any(module._forward_hooks for module in network)
