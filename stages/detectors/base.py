"""What every detector family offers to training and detection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network again.

    ``base_classes`` is the number of classes that its inner widths were made for: fine-tuning changes the last
    layer of a class head and keeps everything before it.
    """

    family: str
    model: str
    classes: tuple[str, ...]
    base_classes: int


@dataclass
class Batch:
    """Frames and targets of one micro-batch.

    ``images`` (B, 3, H, W) uint8 red-green-blue; ``boxes`` (N, 4) x1 y1 x2 y2 in pixels, ``classes`` (N,) and
    ``frame`` (N,), ascending, the frame that each box is in, for all boxes of the batch.
    """

    images: torch.Tensor
    boxes: torch.Tensor
    classes: torch.Tensor
    frame: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``."""
        move = {name: tensor.to(device, non_blocking=True) for name, tensor in vars(self).items()}
        return Batch(**move)

    def __len__(self) -> int:
        return len(self.images)


class Detector(nn.Module, ABC):
    """A detection network with its loss. Calling it on a `Batch` gives loss parts, mean over the batch's frames."""

    architecture: Architecture
    network: nn.Module

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The parts of the loss (scalars); their sum is what training minimises."""

    @abstractmethod
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """Per frame (n, 6) x1 y1 x2 y2 in pixels of ``images`` (B, 3, H, W) uint8, score and class, best first."""

    @abstractmethod
    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of `backbone`, `neck` and `head`; every parameter is in exactly one."""

    @abstractmethod
    def class_tensors(self) -> set[str]:
        """Names in ``network.state_dict()`` of tensors whose first dimension counts the classes."""

    def begin_training(self, epochs: int) -> None:
        """Prepare what the loss keeps over a training run of ``epochs``."""

    def end_epoch(self) -> None:
        """Advance what the loss keeps from epoch to epoch."""
