"""What both kinds of file that hold a traced network need: an input to trace with, and quiet."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stages.deployment.description import input_shape
from stages.detectors.base import Exportable


def example(exportable: Exportable, image_size: int, stride: int, frame: torch.Tensor) -> torch.Tensor:
    """What to trace with: ``frame`` (1, 3, H, W), on which something is found, where one frame of one size goes in.

    Else noise of a shape in which no two dimensions that vary are alike, so that none is taken for another. The module
    has run on it once: a network may make what depends on the size, and keep it.
    """
    batch, channels, height, width = input_shape(exportable, image_size, stride)
    batch = 2 if isinstance(batch, str) else batch
    height = 6 * stride if isinstance(height, str) else height
    width = 4 * stride if isinstance(width, str) else width
    noise = torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    # A trace without a single proposal would hold the branch for none.
    images = noise if exportable.varies else frame
    with torch.no_grad():
        exportable.module(images)
    return images


@contextmanager
def quietly() -> Iterator[None]:
    """Without PyTorch's warnings that TorchScript is to go, and that a trace holds what does not vary."""
    with warnings.catch_warnings(), torch.no_grad():
        for kind in (FutureWarning, DeprecationWarning, UserWarning, torch.jit.TracerWarning):
            warnings.simplefilter("ignore", kind)
        yield
