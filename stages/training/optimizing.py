"""The optimizer's parameter groups, its learning rates over a run, and what is frozen."""

from __future__ import annotations

import math

import torch
from torch import nn

from stages.detectors.base import Detector
from stages.params import Stage

_FINAL = 0.01  # what cosine ends at, as a share of the first learning rate
_DROP = 0.1  # what `lr_drop` multiplies by


def freeze(detector: Detector, stage: Stage) -> None:
    """Take the named parts out of training."""
    for part in stage.freeze:
        for module in detector.parts()[part]:
            module.requires_grad_(False)


def set_training_mode(detector: Detector, stage: Stage) -> None:
    """Training mode; BatchNorm of frozen parts, or all of it (`freeze_batchnorm`), keeps its statistics."""
    detector.train()
    frozen = [module for part in stage.freeze for module in detector.parts()[part]]
    for root in [detector] if stage.freeze_batchnorm else frozen:
        for module in root.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def make_optimizer(detector: Detector, stage: Stage) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum, over groups by part and by whether weight decay applies.

    The backbone learns at `lr_backbone` (`lr` where not set). Biases and BatchNorm, the one-dimensional
    parameters, do not decay.
    """
    rates = {"backbone": stage.lr if stage.lr_backbone is None else stage.lr_backbone}
    groups = []
    for part, modules in detector.parts().items():
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        rate = rates.get(part, stage.lr)
        for decays in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == decays]
            if chosen:
                decay = stage.weight_decay if decays else 0.0
                groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay, "part": part})
    if stage.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=stage.momentum, nesterov=stage.momentum > 0)
    return torch.optim.AdamW(groups, betas=(stage.momentum, 0.999), fused=True)


def lr_factor(stage: Stage, step: int, steps_per_epoch: int) -> float:
    """What the learning rates are multiplied by at an optimizer step (from 0)."""
    epoch = step / steps_per_epoch
    warm = min(1.0, (step + 1) / (stage.warmup * steps_per_epoch)) if stage.warmup else 1.0
    if stage.schedule == "step":
        return warm * (_DROP if epoch >= stage.lr_drop else 1.0)
    if stage.schedule == "cosine":
        progress = min(1.0, epoch / stage.epochs)
        return warm * (_FINAL + (1 - _FINAL) * (1 + math.cos(math.pi * progress)) / 2)
    return warm


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its own times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def describe(optimizer: torch.optim.Optimizer) -> list[dict]:
    """The groups as the optimizer holds them, for card.json."""
    shown = ("part", "base_lr", "weight_decay", "momentum", "betas", "nesterov")
    return [
        {key: group[key] for key in shown if key in group} | {"parameters": sum(p.numel() for p in group["params"])}
        for group in optimizer.param_groups
    ]
