"""Detector families: one module each, chosen by `detector.family`."""

from __future__ import annotations

import torch

from stages.detectors.base import Architecture, Batch, Detector


def build(architecture: Architecture) -> Detector:
    """Build a network with fresh weights, drawn from torch's generator; raises `InputError` for an unknown model."""
    if architecture.family == "yolo":
        from stages.detectors.yolo import Yolo

        # The layout in which convolutions run fastest; one layout everywhere gives the same numbers everywhere.
        return Yolo(architecture).to(memory_format=torch.channels_last)
    raise ValueError(f"no detector family {architecture.family!r}")


__all__ = ["Architecture", "Batch", "Detector", "build"]
