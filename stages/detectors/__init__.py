"""Detector families: one module each, chosen by `detector.family`."""

from __future__ import annotations

from importlib import import_module

import torch

from stages.detectors.base import Architecture, Batch, ClassRows, Detector
from stages.detectors.description import described

# A family's module is imported when it is used: some take seconds.
FAMILIES = {
    "yolo": "Yolo",
    "rtdetr": "RtDetr",
    "fasterrcnn": "FasterRcnn",
    "ssdlite": "SsdLite",
    "retinanet": "RetinaNet",
    "rfdetr": "RfDetr",
    "simple": "Simple",
}


def family(name: str) -> type[Detector]:
    """The class of a family; raises `KeyError` for a name that is none."""
    return getattr(import_module(f"stages.detectors.{name}"), FAMILIES[name])


def build(architecture: Architecture) -> Detector:
    """Build a network with fresh weights, drawn from torch's generator.

    Raises `InputError` for an unknown model, and for one whose YAML file is not the one that the architecture names.
    """
    # The layout in which convolutions run fastest; one layout everywhere gives the same numbers everywhere.
    return family(architecture.family)(described(architecture)).to(memory_format=torch.channels_last)


__all__ = ["FAMILIES", "Architecture", "Batch", "ClassRows", "Detector", "build", "family"]
