"""Brings a trained appearance model in from a path, a URL or S3: PyTorch, safetensors or ONNX."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from stages.appearance.card import ONNX, SAFETENSORS, ReidCard
from stages.appearance.embedding import open_onnx
from stages.errors import InputError
from stages.params import where
from stages.params.reid import Reid
from stages.params.reid_rules import REID_FILES
from stages.transport.fetch import fetch


def bring(name: str, reid: Reid, folder: Path) -> ReidCard:
    """Write the model that `reid.NAME.path` names into ``folder``, and return its card.

    Raises `InputError` for a file that is not there or not the one of its sha256, and one that is no such model.
    """
    address = str(reid.path)
    path = fetch(address, sha256=reid.sha256, endpoint_url=reid.endpoint_url, anonymous=reid.anonymous)
    # The file alone: where it lies differs from machine to machine, and may be a secret.
    origin = {"origin": {"file": address.partition("?")[0].rpartition("/")[2], "sha256": reid.sha256}}
    if path.suffix == ".onnx":
        return _bring_onnx(name, reid, path, folder, origin)
    if path.suffix not in REID_FILES:
        what = f"unknown kind of weights `{path.suffix}`"
        raise InputError(where("reid", name, "path"), what, f"name a file that ends in {', '.join(REID_FILES)}")
    from stages.appearance.osnet import DIMENSION, load_network, read_weights
    from stages.tensors import write_safetensors

    network = load_network(reid.model, read_weights(path), f"{where('reid', name, 'path')}: {origin['origin']['file']}")
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("classifier.")}
    write_safetensors(folder / SAFETENSORS, tensors)
    return ReidCard(SAFETENSORS, reid.model, reid.image_size, DIMENSION, settings=origin)


def _bring_onnx(name: str, reid: Reid, path: Path, folder: Path, origin: dict) -> ReidCard:
    """The file as it is; what it leaves open of the crops' size is `image_size`."""
    model = open_onnx(path)
    size = tuple(fixed or wanted for fixed, wanted in zip(model.image_size, reid.image_size, strict=True))
    if size != reid.image_size and "image_size" in reid.model_fields_set:
        what = f"the model takes crops of {size[0]}x{size[1]}"
        raise InputError(where("reid", name, "image_size"), what, f"set it to [{size[0]}, {size[1]}], or delete it")
    found = model.forward(np.zeros((1, 3, *size), np.float32))
    if found.ndim != 2:
        shape = "x".join(map(str, found.shape))
        raise InputError(where("reid", name, "path"), f"gives {shape} for one crop", "give an appearance model")
    shutil.copyfile(path, folder / ONNX)
    return ReidCard(ONNX, None, size, found.shape[1], settings=origin)
