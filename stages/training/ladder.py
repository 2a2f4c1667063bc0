"""The memory ladder: what a step gives up, rung by rung, when memory runs out.

Gradient checkpointing comes first, which leaves the gradient as it is; then micro-batches are cut into equal parts
and more of them accumulated, which leaves the effective batch, the sample order and every frame's weight as they are,
while BatchNorm normalises by fewer frames; then images become smaller, where the params allow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from stages.detectors.base import Batch
from stages.params import Memory, Stage

_STEP = 32  # an image size is a multiple of it
_SHRINK = (0.875, 0.75, 0.625, 0.5)


@dataclass(frozen=True)
class Rung:
    """How a step is computed: frames of a micro-batch, gradient checkpointing, and the images' scale."""

    batch: int
    gradient_checkpointing: bool
    scale: float = 1.0

    def settings(self, memory: Memory) -> dict:
        """The keys of `memory` with which a later run starts on this rung."""
        sizes = [max(_STEP, int(side * self.scale // _STEP) * _STEP) for side in memory.image_sizes]
        return {
            "batch": self.batch,
            "accumulate": memory.batch * memory.accumulate // self.batch,  # exact: a rung divides the batch
            "gradient_checkpointing": self.gradient_checkpointing,
            "image_size": sizes if len(sizes) > 1 else sizes[0],
        }


def ladder(stage: Stage) -> list[Rung]:
    """All rungs of a stage, the one of its params first."""
    memory, clip = stage.memory, stage.mixture.clip_length
    rungs = [Rung(memory.batch, memory.gradient_checkpointing)]
    if "gradient_checkpointing" in memory.on_oom and not memory.gradient_checkpointing:
        rungs.append(replace(rungs[-1], gradient_checkpointing=True))
    if "split" in memory.on_oom:
        clips = memory.batch // clip
        # Parts that are not equal would be no run that params can name: of 5 clips, 3 and 2 are not 2 times 3.
        parts = [part for part in range(clips - 1, 0, -1) if clips % part == 0]
        rungs += [replace(rungs[-1], batch=part * clip) for part in parts]
    if "image_size" in memory.on_oom:
        rungs += [replace(rungs[-1], scale=scale) for scale in _SHRINK]
    return rungs


def shrunk(batch: Batch, scale: float, stride: int) -> Batch:
    """A batch whose images are ``scale`` as large, down to a multiple of ``stride``."""
    if scale == 1:
        return batch
    height, width = batch.images.shape[-2:]
    size = [max(stride, int(side * scale // stride) * stride) for side in (height, width)]
    images = torch.nn.functional.interpolate(batch.images.float(), size, mode="bilinear", antialias=True)
    factors = batch.boxes.new_tensor([size[1] / width, size[0] / height]).repeat(2)
    return replace(batch, images=images.round().clamp(0, 255).to(torch.uint8), boxes=batch.boxes * factors)
