"""What a run depends on, in parts that can be compared: only an equal run goes on from a saved state."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import torch

from stages.detectors.card import Card
from stages.detectors.description import description_of
from stages.files import sha256_of
from stages.mixtures.mixture import MIXTURES, read_manifest
from stages.params import Params

Fingerprint = dict[str, str]

# All that a run imports of this project but what tells of it: clock, errors, watching.
_PACKAGES = ("detectors", "mixtures", "params", "scoring", "sequences", "training")
_MODULES = ("finetune.py", "files.py", "tensors.py")
_LIBRARIES = (
    "accelerate",
    "faster-coco-eval",  # its mAP chooses the weights of `select: best`, and ends a run by `patience`
    "numpy",
    "opencv-python",
    "rfdetr",
    "safetensors",
    "scipy",  # matches queries and boxes in RF-DETR's loss
    "torch",
    "torchvision",
    "transformers",  # RF-DETR's backbone
    "ultralytics",
)


def fingerprint(params: Params, stage: str, parent: Card) -> Fingerprint:
    """A value for each part that decides on the weights which come out; the number of loader workers does not.

    Raises `InputError` where the stage has no mixture.
    """
    read_manifest(MIXTURES / stage)  # raises where there is none
    block = params.stages[stage].model_dump(mode="json")
    block["memory"].pop("workers")
    return {
        "detector": _digest([params.detector.model_dump(mode="json"), description_of(params.detector.model)]),
        "classes": _digest(params.classes),
        "seed": str(params.seed),
        "compute": _digest(params.compute.model_dump(mode="json", exclude={"port"})),
        **_leaves(block, stage),
        "mixture's files": _digest({path.name: sha256_of(path) for path in sorted((MIXTURES / stage).iterdir())}),
        "parent's weights": parent.sha256,
        "code": _code(),
        "libraries": _digest({name: version(name) for name in _LIBRARIES} | {"python": python_version()}),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "deterministic": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""),
    }


def digest(parts: Fingerprint) -> str:
    """One name for all parts, 16 hexadecimal digits."""
    return _digest(parts)


def differences(parts: Fingerprint, other: Fingerprint) -> list[str]:
    """The parts in which two fingerprints differ."""
    return [name for name in {**parts, **other} if parts.get(name) != other.get(name)]


def _leaves(block: dict, prefix: str) -> Fingerprint:
    """A part for every key of a block and of the blocks within it."""
    parts: Fingerprint = {}
    for key, value in block.items():
        name = f"{prefix}.{key}"
        parts |= _leaves(value, name) if isinstance(value, dict) else {name: _digest(value)}
    return parts


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _code() -> str:
    top = Path(__file__).resolve().parent.parent
    files = sorted(path for name in _PACKAGES for path in (top / name).rglob("*.py"))
    files += [top / name for name in _MODULES if (top / name).is_file()]
    return _digest({path.relative_to(top).as_posix(): sha256_of(path) for path in files})
