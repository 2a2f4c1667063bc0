"""Ultralytics checkpoints: a pickle, read in its restricted mode; and where they are published."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.detectors.base import Architecture
from stages.detectors.card import Card
from stages.errors import InputError

_PUBLISHED = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


def published_by_ultralytics(model: str) -> str:
    """The address of Ultralytics' weights for a model; raises `InputError` where there are none."""
    from stages.detectors.ultralytics_quietly import GITHUB_ASSETS_NAMES

    name = f"{model.removesuffix('.yaml')}.pt"
    if name not in GITHUB_ASSETS_NAMES:
        what = f"Ultralytics publishes no weights for `{model}`"
        raise InputError("params.yaml: weights.path", what, "give a path, a URL or an S3 address, or `scratch`")
    return f"{_PUBLISHED}/{name}"


def read_ultralytics(path: Path, family: str, model: str) -> tuple[dict[str, torch.Tensor], Card]:
    """The tensors of a `.pt` file and its card.

    It is unpickled with PyTorch's `weights_only` and Ultralytics' list of known classes: nothing in it is run.
    """
    from stages.detectors.ultralytics_quietly import tasks

    if path.suffix != ".pt":
        raise InputError(str(path), f"unknown kind of weights `{path.suffix}`", "give a .pt or a .safetensors file")
    try:
        checkpoint, _ = tasks.torch_safe_load(str(path), safe_only=True)
        network = (checkpoint.get("ema") or checkpoint["model"]).float()
        classes = tuple(network.names[number] for number in sorted(network.names))
        tensors = network.state_dict()
    except (TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(str(path), f"no Ultralytics detection checkpoint ({reason})", "check the file") from None
    image_size = int((checkpoint.get("train_args") or {}).get("imgsz", 640))
    return tensors, Card(Architecture(family, model, classes, len(classes)), image_size)
