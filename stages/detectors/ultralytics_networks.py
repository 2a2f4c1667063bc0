"""Builds Ultralytics' networks: by their names, by a smaller scale of our own, or by a YAML file."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import nn

from stages.detectors.base import Batch
from stages.detectors.batchnorm import for_single_values
from stages.detectors.ultralytics_quietly import tasks
from stages.errors import InputError

# Scales below Ultralytics' smallest: depth, width, most channels. `yolov8-pico` has 0.9 million parameters.
_SMALL_SCALES = {"pico": (0.25, 0.125, 1024)}
_WHERE = "params.yaml: detector.model"


def build_network(kind: type[nn.Module], model: str, classes: int, heads: tuple[str, ...], known: str) -> nn.Module:
    """Build ``model`` as a ``kind`` of network; its last layer must be one of ``heads`` (names of classes).

    Raises `InputError`, which says what models are ``known``, for a model that is none.
    """
    description = _describe(model, known)
    if (_last_layer(description) or heads[0]) not in heads:
        raise InputError(_WHERE, f"`{model}` is no detector of this family", f"name {known}")
    try:
        network = kind(description, nc=classes, verbose=False)
    except (AssertionError, TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        what = f"`{model}` cannot be built ({' '.join(str(error).split())[:100]})"
        raise InputError(_WHERE, what, "name another model, or mend its YAML file") from None
    for_single_values(network)
    return network


def as_made(network: nn.Module) -> nn.Module:
    """The network with Ultralytics' and PyTorch's own classes in the place of ours, which programs without us lack."""
    for module in network.modules():
        while type(module).__module__.startswith("stages."):
            module.__class__ = type(module).__base__
    return network


def _describe(model: str, known: str) -> dict:
    """The model as Ultralytics' YAML describes it; raises `InputError` where there is none."""
    base, _, scale = model.removesuffix(".yaml").partition("-")
    try:
        if scale in _SMALL_SCALES:
            description = tasks.yaml_model_load(f"{base}n.yaml")
            return description | {"scales": {scale: _SMALL_SCALES[scale]}, "scale": scale}
        if Path(model).suffix == ".yaml" and Path(model).exists():
            return tasks.yaml_model_load(model)
        return tasks.yaml_model_load(f"{model.removesuffix('.yaml')}.yaml")
    except FileNotFoundError:
        raise InputError(_WHERE, f"no model `{model}`", f"name {known}") from None


def _last_layer(description: dict) -> str | None:
    """The kind of the last layer, None where the description is not one of layers."""
    try:
        return description["head"][-1][2]
    except (KeyError, IndexError, TypeError):
        return None


def parts_of(network: nn.Module) -> dict[str, list[nn.Module]]:
    """By the model's own YAML: its backbone's layers, its head's last layer, and what is between."""
    layers = list(network.model)
    backbone = len(network.yaml["backbone"])
    return {"backbone": layers[:backbone], "neck": layers[backbone:-1], "head": layers[-1:]}


def layers_before_head(network: nn.Module) -> list[nn.Module]:
    """Every layer with parameters before the head."""
    return [layer for layer in network.model[:-1] if any(True for _ in layer.parameters())]


def backbone_outputs(network: nn.Module) -> list[str]:
    """Names of the backbone's layers that layers behind it take as input."""
    count = len(network.yaml["backbone"])
    behind = ((layer.i, layer.f if isinstance(layer.f, list) else [layer.f]) for layer in network.model[count:])
    taken = {source % place for place, sources in behind for source in sources}  # -1: the layer before
    return [f"model.{source}" for source in sorted(taken) if source < count]


def relative_boxes(batch: Batch) -> torch.Tensor:
    """The batch's boxes as Ultralytics wants them: (N, 4) centre x, y, width, height as shares of the image."""
    height, width = batch.images.shape[-2:]
    size = batch.boxes.new_tensor([width, height, width, height])
    return torchvision.ops.box_convert(batch.boxes, "xyxy", "cxcywh") / size
