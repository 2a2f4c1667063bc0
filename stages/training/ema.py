"""An exponential moving average of a network's state."""

from __future__ import annotations

import copy

import torch

from stages.detectors.base import Detector


class Ema:
    """Averages weights and BatchNorm statistics: average = d * average + (1 - d) * network after each step.

    The decay d grows as (1 + t) / (10 + t) up to ``decay``, so that a short run does not keep its first weights.
    With ``decay`` 0 the average is the network itself.
    """

    def __init__(self, detector: Detector, decay: float):
        self.decay, self.steps = decay, 0
        self.detector = detector if not decay else copy.deepcopy(detector).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, detector: Detector) -> None:
        """Take one step towards ``detector``."""
        if not self.decay:
            return
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        ours, theirs = self.detector.network.state_dict(), detector.network.state_dict()
        floats = [name for name, tensor in ours.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([ours[name] for name in floats], [theirs[name] for name in floats], weight)
        for name in ours.keys() - set(floats):
            ours[name].copy_(theirs[name])
