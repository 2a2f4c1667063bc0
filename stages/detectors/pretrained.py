"""Reads weights from outside: Ultralytics checkpoints (a pickle, in its restricted mode) and safetensors."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.detectors.base import Architecture
from stages.detectors.checkpoint import Card, load_card, read_safetensors
from stages.errors import InputError


def read_pretrained(path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
    """The tensors of a weight file, and a card that says how to build their network, a ``model``.

    A `.pt` file is unpickled with PyTorch's `weights_only` and Ultralytics' list of known classes: nothing in it
    is run. A `.safetensors` file needs its card.json beside it, as `models/NAME/` has.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path), load_card(path.parent)
    if path.suffix == ".pt":
        return _read_ultralytics(path, model)
    raise InputError(str(path), f"unknown kind of weights `{path.suffix}`", "give a .pt or a .safetensors file")


def _read_ultralytics(path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
    from stages.detectors.ultralytics_quietly import tasks

    try:
        checkpoint, _ = tasks.torch_safe_load(str(path), safe_only=True)
        network = (checkpoint.get("ema") or checkpoint["model"]).float()
        classes = tuple(network.names[number] for number in sorted(network.names))
        tensors = network.state_dict()
    except (TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(str(path), f"no Ultralytics detection checkpoint ({reason})", "check the file") from None
    image_size = int((checkpoint.get("train_args") or {}).get("imgsz", 640))
    return tensors, Card(Architecture("yolo", model, classes, len(classes)), image_size)
