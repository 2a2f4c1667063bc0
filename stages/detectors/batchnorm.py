"""BatchNorm for batches as small as one frame."""

from __future__ import annotations

import torch
from torch import nn


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d that, where a channel has a single value in training, normalises it by the running statistics.

    One frame on a feature map of one cell has no variance: PyTorch raises an error there. A batch of one frame is
    what the last batch of an epoch, or a memory ladder, may come down to.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to the same."""
        if not self.training or features.numel() > features.shape[1]:
            return super().forward(features)
        return nn.functional.batch_norm(
            features, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def for_single_values(network: nn.Module) -> None:
    """Make every plain BatchNorm2d of a network a `BatchNorm`; tensors and their names stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = BatchNorm
