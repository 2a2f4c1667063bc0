"""OSNet (Zhou et al., arXiv:1905.00953; AIN and IBN: arXiv:1910.06827), as BoxMOT builds it, and files of its weights.

An embedding is what the network gives in evaluation mode: 512 numbers, pooled features after a linear layer with
BatchNorm and ReLU.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stages.errors import InputError
from stages.params.reid import Reid
from stages.tensors import read_safetensors

DIMENSION = 512  # of an embedding
_CLASSIFIER = "classifier."  # the layer that names training identities; of no use after it


def build_network(model: str, identities: int = 1) -> nn.Module:
    """A network with fresh weights from torch's generator; in training it returns (logits, embeddings)."""
    builders = import_module("boxmot.reid.backbones.families.osnet.variants")
    return getattr(builders, model)(num_classes=identities, pretrained=False, loss="triplet")


def without_classifier(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All that an embedding needs."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_CLASSIFIER)}


def load_network(model: str, tensors: dict[str, torch.Tensor], where: str) -> nn.Module:
    """A network in evaluation mode with ``tensors``; raises `InputError` unless they are one of ``model``."""
    network = build_network(model)
    wanted = without_classifier(network.state_dict())
    reason = _misfit(wanted, tensors)
    if reason:
        fits = _fitting(tensors)
        remedy = f"set `model: {fits}`" if fits else "give weights of an OSNet, named as torchreid names them"
        raise InputError(where, f"no weights of `{model}` ({reason})", remedy)
    network.load_state_dict({name: tensors[name] for name in wanted}, strict=False)
    return network.eval()


def _misfit(wanted: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> str | None:
    """What is missing, left over or of another shape; None where all fits."""
    for name, tensor in wanted.items():
        if name not in tensors:
            if not name.endswith("num_batches_tracked"):
                return f"{name} is missing"
        elif tensors[name].shape != tensor.shape:
            return f"{name} is {_shape(tensors[name])}, not {_shape(tensor)}"
    spare = sorted(without_classifier(tensors).keys() - wanted.keys())
    return f"{spare[0]} is not part of it" if spare else None


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _fitting(tensors: dict[str, torch.Tensor]) -> str | None:
    """The model that the tensors are one of; its first layer tells its width, x1_0 has 64 channels."""
    width = len(tensors.get("conv1.conv.weight", ())) / 64
    for model in Reid.model_fields["model"].annotation.__args__:
        if float(model.rpartition("x")[2].replace("_", ".")) != width:
            continue
        with torch.device("meta"):
            wanted = without_classifier(build_network(model).state_dict())
        if _misfit(wanted, tensors) is None:
            return model
    return None


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors, .pt or .pth file, without a classifier.

    Pickles are read with PyTorch's `weights_only`: nothing in the file is run. Torchreid's training script saves the
    tensors under `state_dict` beside scores, from several GPUs with `module.` before each name. Raises `InputError`.
    """
    if path.suffix == ".safetensors":
        return without_classifier(read_safetensors(path))
    try:
        with torch.serialization.safe_globals(_numbers()):
            value = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(str(path), f"no PyTorch state dict ({reason})", "check the file") from None
    state = value.get("state_dict", value) if isinstance(value, dict) else value
    if not isinstance(state, dict) or not state or not all(isinstance(item, torch.Tensor) for item in state.values()):
        raise InputError(str(path), "no PyTorch state dict", "check the file")
    return without_classifier({name.removeprefix("module."): tensor for name, tensor in state.items()})


def _numbers() -> list:
    """NumPy's scalars: as such the scores stand in torchreid's files."""
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)]
    scalar = np._core.multiarray.scalar
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]
