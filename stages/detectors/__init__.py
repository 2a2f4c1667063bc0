"""Detector families: one module each, chosen by `detector.family`."""

from __future__ import annotations

from stages.detectors.base import Architecture, Batch, Detector


def build(architecture: Architecture) -> Detector:
    """Build a network with fresh weights, drawn from torch's generator; raises `InputError` for an unknown model."""
    if architecture.family == "yolo":
        from stages.detectors.yolo import Yolo

        return Yolo(architecture)
    raise ValueError(f"no detector family {architecture.family!r}")


__all__ = ["Architecture", "Batch", "Detector", "build"]
