"""Gradient checkpointing: a block's activations are not kept but computed again in the backward pass.

The gradient is the same to the last bit (Chen et al. 2016, arXiv:1604.06174). BatchNorm would take the second
computation for another batch; its statistics stay out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stages.detectors.base import Detector


def set_recompute(detector: Detector, on: bool) -> None:
    """Switch gradient checkpointing of the detector's blocks on or off."""
    for block in detector.blocks():
        if on:
            # An attribute of the instance goes before the class's method, and state_dict() does not see it.
            block.forward = partial(_checkpointed, block, type(block).forward)
        elif "forward" in vars(block):
            del block.forward


def _checkpointed(block: nn.Module, forward: Callable, *args: object, **kwargs: object) -> object:
    if not (block.training and torch.is_grad_enabled()):
        return forward(block, *args, **kwargs)
    return checkpoint(_computed, block, forward, *args, use_reentrant=False, **kwargs)


def _computed(block: nn.Module, forward: Callable, *args: object, **kwargs: object) -> object:
    # What is compiled changes statistics once of itself; elsewhere, within a backward pass is the second time.
    if torch.compiler.is_compiling() or torch._C._current_graph_task_id() == -1:
        return forward(block, *args, **kwargs)
    with _without_statistics(block):
        return forward(block, *args, **kwargs)


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """Give BatchNorm copies of its running statistics to change."""
    norms = [module for module in block.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    kept = [dict(module._buffers) for module in norms]
    for module in norms:
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.clone()
    try:
        yield
    finally:
        for module, buffers in zip(norms, kept, strict=True):
            module._buffers.update(buffers)
