"""The optimizer's parameter groups, its learning rates over a run, and what is frozen."""

from __future__ import annotations

import math

import torch
from torch import nn

from stages.detectors.base import Detector
from stages.params import Stage

_FINAL = 0.01  # what cosine ends at, as a share of the first learning rate
_DROP = 0.1  # what `lr_drop` multiplies by


def begin_epoch(detector: Detector, stage: Stage, epoch: int) -> None:
    """Training mode, with what is frozen in ``epoch`` (from 1) out of it.

    Frozen parts neither learn nor let BatchNorm follow; with `freeze_batchnorm` no BatchNorm does.
    """
    frozen = [module for part in frozen_parts(stage, epoch) for module in detector.parts()[part]]
    detector.train().requires_grad_(True)
    for module in frozen:
        module.requires_grad_(False)
    for root in [detector] if stage.freeze_batchnorm else frozen:
        for module in root.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def frozen_parts(stage: Stage, epoch: int) -> tuple[str, ...]:
    """What does not train in ``epoch`` (from 1)."""
    return stage.freeze if stage.thaw is None or epoch <= stage.thaw else ()


def make_optimizer(detector: Detector, stage: Stage) -> torch.optim.Optimizer:
    """The stage's optimizer, over groups by part and by whether weight decay applies.

    AdamW; SGD with Nesterov momentum; or Ultralytics' mix of Muon, for weights of two dimensions and more, and such
    an SGD. The backbone learns at `lr_backbone` (`lr` where not set). Biases and BatchNorm, the one-dimensional
    parameters, do not decay.
    """
    groups = _groups(detector, stage)
    if stage.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=stage.momentum, nesterov=stage.momentum > 0)
    if stage.optimizer == "muon":
        from stages.detectors.ultralytics_quietly import MuSGD

        for group in groups:
            group["use_muon"] = group["params"][0].ndim > 1
        return MuSGD(groups, momentum=stage.momentum, nesterov=stage.momentum > 0)
    return torch.optim.AdamW(groups, betas=(stage.momentum, 0.999), fused=True)


def _groups(detector: Detector, stage: Stage) -> list[dict]:
    rates = {"backbone": stage.lr if stage.lr_backbone is None else stage.lr_backbone}
    never = () if stage.thaw is not None else stage.freeze
    groups = []
    for part, modules in detector.parts().items():
        parameters = [p for module in modules for p in module.parameters() if part not in never]
        rate = rates.get(part, stage.lr)
        for decays in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == decays]
            if chosen:
                decay = stage.weight_decay if decays else 0.0
                groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay, "part": part})
    return groups


def allocate_state(optimizer: torch.optim.Optimizer, stage: Stage) -> None:
    """Give the optimizer at once what it keeps from its first step on: zeros, as it begins with itself.

    A run then finds out before its first step, and not in it, that there is no memory for them.
    """
    for group in optimizer.param_groups:
        names = _kept_names(stage, group.get("use_muon", False))
        for parameter in group["params"]:
            state = {name: torch.zeros_like(parameter, memory_format=torch.preserve_format) for name in names}
            if stage.optimizer == "adamw":
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            if state:
                optimizer.state[parameter] = state


def _kept_names(stage: Stage, is_muon: bool) -> tuple[str, ...]:
    """What the optimizer keeps in the shape of a parameter: Adam and Muon two, SGD with momentum one."""
    if stage.optimizer == "adamw":
        return "exp_avg", "exp_avg_sq"
    if stage.optimizer == "muon":
        return ("momentum_buffer", "momentum_buffer_SGD") if is_muon else ("momentum_buffer",)
    return ("momentum_buffer",) if stage.momentum else ()


def step_bytes(optimizer: torch.optim.Optimizer, stage: Stage) -> int:
    """Bytes that a step takes for a moment, on top of what the optimizer keeps. It goes group by group.

    Fused AdamW takes none; SGD copies a group's gradients where weights decay; Muon takes up to 3.5 times a group's
    weights, as counted on YOLO's and SSDLite's networks.
    """
    largest = max(sum(p.numel() * p.element_size() for p in group["params"]) for group in optimizer.param_groups)
    return largest * {"adamw": 0, "sgd": 1, "muon": 4}[stage.optimizer]


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


def learning_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The learning rate of each part, as the optimizer has it now."""
    return {group["part"]: group["lr"] for group in optimizer.param_groups}


def describe(optimizer: torch.optim.Optimizer) -> list[dict]:
    """The groups as the optimizer holds them, for card.json."""
    shown = ("part", "base_lr", "weight_decay", "momentum", "betas", "nesterov", "use_muon")
    return [
        {key: group[key] for key in shown if key in group} | {"parameters": sum(p.numel() for p in group["params"])}
        for group in optimizer.param_groups
    ]
