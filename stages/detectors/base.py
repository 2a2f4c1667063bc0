"""What every detector family offers to training, detection and export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from stages.detectors.card import Architecture, Card
from stages.errors import InputError


@dataclass
class Batch:
    """Frames and targets of one micro-batch.

    ``images`` (B, 3, H, W) uint8 red-green-blue; ``boxes`` (N, 4) x1 y1 x2 y2 in pixels, ``classes`` (N,) and
    ``frame`` (N,), ascending, the frame that each box is in, for all boxes of the batch; ``names`` says where
    each frame comes from, for messages; ``left_out`` counts boxes that a stage's `max_objects` took away.
    """

    images: torch.Tensor
    boxes: torch.Tensor
    classes: torch.Tensor
    frame: torch.Tensor
    names: tuple[str, ...] = ()
    left_out: int = 0

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``."""
        tensors = (self.images, self.boxes, self.classes, self.frame)
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in tensors), self.names)

    def piece(self, start: int, stop: int) -> Batch:
        """Frames ``start`` to ``stop`` - 1 as a batch of their own."""
        inside = (self.frame >= start) & (self.frame < stop)
        boxes, classes, frame = self.boxes[inside], self.classes[inside], self.frame[inside] - start
        return Batch(self.images[start:stop], boxes, classes, frame, self.names[start:stop])

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ClassRows:
    """How the first dimension of a tensor counts classes: as (repeats, before + classes + behind, each), flattened.

    ``repeats`` anchors each hold the rows of every class; ``before`` rows (background) precede the first class and
    ``behind`` follow the last; ``each`` is the count of rows of one class (4 for box regression by class).
    """

    repeats: int = 1
    before: int = 0
    behind: int = 0
    each: int = 1


@dataclass(frozen=True)
class Exportable:
    """A network as programs without this one run it. Its ``module`` takes frames as (B, 3, H, W) float32, 0 to 1.

    ``yields`` is what comes out. "anchors" and "queries": boxes (B, n, 4) x1 y1 x2 y2 in pixels of the input and scores
    (B, n, classes), before suppression; an anchor keeps its place, queries are chosen or ranked by the network.
    "detections", of one frame: boxes (n, 4), scores (n,) and classes (n,) int64, after suppression, best first.
    ``varies`` names what of "batch", "height" and "width" need not be as it was when the network was traced.
    """

    module: nn.Module
    yields: Literal["anchors", "queries", "detections"]
    varies: tuple[str, ...] = ()


class Detector(nn.Module, ABC):
    """A detection network with its loss. Calling it on a `Batch` gives loss parts, mean over the batch's frames."""

    architecture: Architecture
    network: nn.Module
    stride = 32  # the sides of its input are multiples of it
    heat_by: Literal["gradient", "grad-cam"] = "gradient"  # how its heat maps are made, see stages/explaining/heat.py

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The parts of the loss (scalars, named `loss_...`); their sum is what training minimises.

        What is drawn at random comes from torch's generator alone.
        """

    @abstractmethod
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """Per frame (n, 6) x1 y1 x2 y2 in pixels of ``images`` (B, 3, H, W) uint8, score and class, best first."""

    @abstractmethod
    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of `backbone`, `neck` and `head`; every parameter is in exactly one."""

    @abstractmethod
    def class_tensors(self) -> dict[str, ClassRows]:
        """Names in ``network.state_dict()`` of tensors whose first dimension counts classes, and how."""

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """Modules, one after another and none within another, that gradient checkpointing computes twice."""

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """A copy of the network, in eval mode, that can be traced; the limits are for what holds its suppression."""
        what = f"the family `{self.architecture.family}` has no export"
        raise InputError(self.architecture.model, what, "use the checkpoint's model.safetensors")

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """All that the network weighs in one frame (1, 3, H, W) for class ``label``, before any threshold.

        Boxes (n, 4) x1 y1 x2 y2 in pixels of ``images`` (uint8, or the same numbers as float32) and scores (n,), 0 to
        1, with their gradient.
        """
        raise self._without_heat()

    def heat_layers(self) -> list[str]:
        """Names in ``network`` of layers whose maps, (1, C, h, w) or several, show where a score comes from."""
        raise self._without_heat()

    def padded(self, images: torch.Tensor) -> torch.Tensor:
        """Frames (B, 3, H, W) with all that the network itself adds to the right and below: what its maps cover."""
        return images

    def _without_heat(self) -> InputError:
        what = f"the family `{self.architecture.family}` has no heat maps"
        return InputError(self.architecture.model, what, "set explain.mistakes: 0")

    def begin_training(self, epochs: int) -> None:
        """Prepare what the loss keeps over a training run of ``epochs``."""

    def end_epoch(self) -> None:
        """Advance what the loss keeps from epoch to epoch."""

    def loss_state(self) -> dict[str, float]:
        """What the loss keeps over a run, as numbers."""
        return {}

    def load_loss_state(self, state: dict[str, float]) -> None:
        """Take back what `loss_state` gave; comes after `begin_training`."""

    @classmethod
    def published(cls, model: str) -> str:
        """The address of the weights that a model's makers publish."""
        what = f"no weights are published for `{model}`"
        raise InputError("params.yaml: weights.path", what, "give a path, a URL or an S3 address, or `scratch`")

    @classmethod
    def read(cls, path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
        """The tensors of a weight file from outside, and a card that says how to build their network, a ``model``."""
        raise InputError(str(path), f"unknown kind of weights `{path.suffix}`", "give a .safetensors file")
