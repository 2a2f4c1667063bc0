"""TorchVision's detection weights: where they are published, and how a `.pth` file of them is read."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import torch
from torch import nn
from torchvision.models import Weights, WeightsEnum

from stages.errors import InputError
from stages.files import sha256_of


def class_names(weights: WeightsEnum | None, count: int) -> tuple[str, ...]:
    """The names of ``count`` classes without background: the makers' if they have as many, else `class1` and so on.

    A `.pth` file holds no names. TorchVision's COCO has 90, among them `N/A` ten times for numbers that COCO skips.
    """
    names = tuple(weights.meta["categories"][1:]) if weights else ()
    return names if len(names) == count else tuple(f"class{number}" for number in range(1, count + 1))


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a `.pth` file, alone or under `model` as TorchVision's training script saves it.

    Read with PyTorch's `weights_only`: nothing in the file is run.
    """
    if path.suffix not in (".pth", ".pt"):
        raise InputError(str(path), f"unknown kind of weights `{path.suffix}`", "give a .pth or a .safetensors file")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the script's own arguments
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(str(path), f"no PyTorch state dict ({reason})", "check the file") from None
    state = state.get("model", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(str(path), "no PyTorch state dict", "check the file")
    return state


def rows_of(state: dict[str, torch.Tensor], name: str, repeats: int, path: Path, model: str) -> int:
    """Rows for each of ``repeats`` anchors (background too) of the class tensor ``name``."""
    if name not in state or len(state[name]) % repeats or len(state[name]) < 2 * repeats:
        raise InputError(str(path), f"no weights of a `{model}` (no {name})", "set detector.model to theirs")
    return len(state[name]) // repeats


def made_without_eps(path: Path, weights: WeightsEnum | None) -> bool:
    """Whether a file is one of the published ones that were trained when TorchVision's frozen BatchNorm had no eps.

    TorchVision sets eps to 0 after loading these (`overwrite_eps`), and only these. Published files carry the start of
    their sha256 in their names.
    """
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights, RetinaNet_ResNet50_FPN_Weights

    old = (FasterRCNN_ResNet50_FPN_Weights.COCO_V1, RetinaNet_ResNet50_FPN_Weights.COCO_V1)
    return weights in old and sha256_of(path).startswith(_hash_of(weights.value))


def _hash_of(weights: Weights) -> str:
    return Path(weights.url).stem.rpartition("-")[2]


@torch.no_grad()
def move_eps_into_weight(network: nn.Module) -> None:
    """Make BatchNorm with its eps compute what it would with an eps of 0.

    weight / sqrt(var) = weight' / sqrt(var + eps) with weight' = weight * sqrt((var + eps) / var). An eps of 0 itself
    would divide by zero as soon as a channel dies in training.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            variance = module.running_var.double()
            factor = torch.where(variance > 0, ((variance + module.eps) / variance).sqrt(), 1.0)
            module.weight.copy_(module.weight.double() * factor)
