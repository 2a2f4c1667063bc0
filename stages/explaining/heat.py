"""Heat maps: which places of a frame raised one score, by the maps of a network's layers and their gradient.

- `grad-cam`: Selvaraju et al. 2017, "Grad-CAM" (https://arxiv.org/abs/1610.02391), as Captum computes it: the map's
  channels, each weighted by the mean of its gradient, summed, and what is positive of that. A detector reads the score
  of a box from one of several maps, and this is taken of that one.
- `gradient`: Draelos and Carin 2020, "HiResCAM" (https://arxiv.org/abs/2011.08891): each cell weighted by its own
  gradient, so that only places on which this very score depends are warm; a detector has many alike in a frame. What
  is positive is summed over layers. Its units are those of the score, and layers count by what they gave to it.
- `eigen`: Muhammad and Yeasin 2020, "Eigen-CAM" (https://arxiv.org/abs/2008.00299), where the gradient gives nothing:
  the cells along the first principal component of their channels. It tells what stands out, and not for which score. A
  component has no sign of its own: it gets the one by which few cells are warm and many cool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

Size = tuple[int, int]  # height and width


@contextmanager
def in_use(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and gradients for a while, whatever the modes before, which come back module by module."""
    training = [each for each in module.modules() if each.training]
    try:
        module.eval()
        with torch.enable_grad():
            yield
    finally:
        for each in training:
            each.training = True


@contextmanager
def recorded(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """What the layers ``names`` of a network gave in its last call: maps (1, C, h, w) by layer, in this order."""
    maps: dict[str, list[torch.Tensor]] = {name: [] for name in names}

    def keep(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: torch.Tensor | Sequence[torch.Tensor]) -> None:
            maps[name] = [output] if isinstance(output, torch.Tensor) else list(output)

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def gradient_heat(score: torch.Tensor, maps: Sequence[torch.Tensor], size: Size) -> torch.Tensor:
    """The method `gradient` for a ``score`` that comes from ``maps``: (H, W), 0 where there is nothing."""
    warm = [
        (gradient * each).sum(dim=1)[0].clamp(min=0)
        for each, gradient in zip(maps, _gradients(score, maps), strict=True)
    ]
    return _spread([each.detach() for each in warm], size)


def read_layer(score: torch.Tensor, maps: dict[str, list[torch.Tensor]]) -> str | None:
    """The layer that a head read a ``score`` from: the last one on which the score depends, None for none."""
    for name in reversed(maps):
        if any(bool(gradient.any()) for gradient in _gradients(score, maps[name])):
            return name
    return None


def grad_cam(
    score: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, layer: nn.Module, size: Size
) -> torch.Tensor:
    """Captum's Grad-CAM of ``layer`` for what ``score`` makes of an ``image`` (1, 3, H, W), a (1,) tensor: (H, W)."""
    from captum.attr import LayerGradCam  # half a second

    warm = LayerGradCam(score, layer).attribute(image, relu_attributions=True)
    return _spread([warm[0, 0].detach()], size)


def eigen_heat(maps: Sequence[torch.Tensor], size: Size) -> torch.Tensor:
    """The method `eigen` over ``maps``, each with the same weight: (H, W), 0 where they are flat."""
    warm = [along_first_component(each.detach()[0]) for each in maps]
    return _spread([each / each.sum() for each in warm if each.sum() > 0], size)


def along_first_component(features: torch.Tensor) -> torch.Tensor:
    """How far each cell of (C, h, w) lies along the first principal component of the channels: (h, w), 0 or more."""
    cells = features.flatten(1).T.double()
    cells = cells - cells.mean(dim=0)
    if not bool(cells.isfinite().all()) or not bool(cells.any()):
        return torch.zeros(features.shape[1:], device=features.device)
    along = cells @ torch.linalg.eigh(cells.T @ cells).eigenvectors[:, -1]
    return (along * along.pow(3).sum().sign()).clamp(min=0).view(features.shape[1:]).float()


def _gradients(score: torch.Tensor, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The gradient of ``score`` on each map: 0 where it does not depend on it, and where it is no number."""
    if not score.requires_grad:
        return [torch.zeros_like(each) for each in maps]
    gradients = torch.autograd.grad(score, list(maps), retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(each) if gradient is None else gradient.nan_to_num(0.0, 0.0, 0.0)
        for each, gradient in zip(maps, gradients, strict=True)
    ]


def _spread(maps: Sequence[torch.Tensor], size: Size) -> torch.Tensor:
    """Maps (h, w) over the same (H, W) pixels, summed: a cell's warmth is shared out among its pixels."""
    total = torch.zeros(size)
    for each in maps:
        pixels = functional.interpolate(each[None, None].float().cpu(), size=size, mode="bilinear", align_corners=False)
        total += pixels[0, 0] * (each.numel() / total.numel())
    return total
