"""What the families on TorchVision's detection models share: building, frames in, boxes out, published weights."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from torchvision.models import WeightsEnum
from torchvision.models.detection.image_list import ImageList

from stages.detectors.base import Architecture, Batch, Detector, Exportable
from stages.detectors.batchnorm import for_single_values
from stages.detectors.card import Card
from stages.detectors.checkpoint import fill
from stages.detectors.torchvision_weights import (
    class_names,
    made_without_eps,
    move_eps_into_weight,
    read_state,
    rows_of,
)
from stages.errors import InputError


@dataclass(frozen=True)
class Variant:
    """A model of a family: how its network is made, given the number of classes, and its published weights.

    ``image_size`` is the longer side, in pixels, that the makers train and test at.
    """

    make: Callable[..., nn.Module]
    weights: WeightsEnum | None
    image_size: int


class TorchVisionDetector(Detector):
    """One of TorchVision's detection models with TorchVision's own losses, on frames that come resized.

    All BatchNorm is BatchNorm2d, as TorchVision has it for training from scratch, and all layers can be trained: a
    stage's `freeze` and `freeze_batchnorm` say what is frozen. ``first_class`` is the number that TorchVision's network
    and loss give to the first class: 1 where 0 is background. ``class_bias`` is the name of a tensor that has a number
    for each class, background too, at each of so many anchors.
    """

    name: ClassVar[str]
    variants: ClassVar[dict[str, Variant]]
    class_bias: ClassVar[tuple[str, int]]
    first_class: ClassVar[int] = 1
    heat_by = "grad-cam"

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        variant = self._variant(architecture.model)
        rows = self.first_class + len(architecture.classes)
        self.network = variant.make(weights=None, weights_backbone=None, num_classes=rows)
        self.network.transform = AsTheyCome(self.network.transform)
        for_single_values(self.network)
        for module in self._in_full_precision():
            module.register_forward_hook(_give_floats)
        self._anchors().register_forward_pre_hook(_take_floats)

    @classmethod
    def _variant(cls, model: str) -> Variant:
        try:
            return cls.variants[model]
        except KeyError:
            remedy = f"name one of {', '.join(cls.variants)}"
            raise InputError("params.yaml: detector.model", f"no model `{model}`", remedy) from None

    @abstractmethod
    def _in_full_precision(self) -> list[nn.Module]:
        """The modules whose outputs go into losses and boxes: those are computed in float32 under autocast too."""

    @abstractmethod
    def _anchors(self) -> nn.Module:
        """The generator of anchor boxes."""

    @abstractmethod
    def _thresholds(self, min_score: float, nms_iou: float, max_objects: int) -> tuple[nn.Module, dict[str, object]]:
        """The module that finishes predictions, and the attributes to give it for a call."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """TorchVision's losses for each frame, averaged over frames; parts are named as TorchVision names them."""
        inside = (batch.boxes[:, 2:] > batch.boxes[:, :2]).all(1)  # a box without area is none
        boxes, classes, frame = batch.boxes[inside], batch.classes[inside] + self.first_class, batch.frame[inside]
        counts = torch.bincount(frame, minlength=len(batch)).tolist()
        targets = [
            {"boxes": some, "labels": labels}
            for some, labels in zip(boxes.split(counts), classes.split(counts), strict=True)
        ]
        losses = self.network(batch.images, targets)
        return {f"loss_{name.removeprefix('loss_')}": value for name, value in losses.items()}

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """TorchVision's own predictions, with the thresholds asked for."""
        module, attributes = self._thresholds(min_score, nms_iou, max_objects)
        with _attributes(module, attributes):
            found = self.network(images)
        return [
            torch.cat([rows["boxes"], rows["scores"][:, None], rows["labels"][:, None] - self.first_class], dim=1)
            for rows in found
        ]

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every anchor."""
        framed, _ = self.network.transform(images)
        features = list(self.network.backbone(framed.tensors).values())
        found, anchors = self.network.head(features), self.network.anchor_generator(framed, features)[0]
        boxes = self.network.box_coder.decode_single(found["bbox_regression"][0], anchors)
        return boxes, self._likely(found["cls_logits"][0], label)

    def _likely(self, logits: torch.Tensor, label: int) -> torch.Tensor:
        """Of logits (n, rows) the scores (n,) of a class: with a background the classes share 1, without it none do."""
        scores = logits.softmax(dim=-1) if self.first_class else logits.sigmoid()
        return scores[:, label + self.first_class]

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """One frame, of one size; TorchVision's own suppression is in the network."""
        other = copy.deepcopy(self).to(memory_format=torch.contiguous_format).eval()
        module, attributes = other._thresholds(min_score, nms_iou, max_objects)
        for name, value in attributes.items():
            setattr(module, name, value)
        return Exportable(_Detections(other.network, self.first_class), "detections")

    @classmethod
    def published(cls, model: str) -> str:
        """TorchVision's COCO weights for ``model``."""
        weights = cls._variant(model).weights
        return weights.value.url if weights else super().published(model)

    @classmethod
    def read(cls, path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
        """A `.pth` file of TorchVision's: its published weights, or what its training script saves.

        Names of older versions, and BatchNorm that was frozen, become what the network of today has.
        """
        variant, state = cls._variant(model), read_state(path)
        name, repeats = cls.class_bias
        count = rows_of(state, name, repeats, path, model) - 1
        detector = cls(Architecture(cls.name, model, class_names(variant.weights, count), count))
        fill(detector, cls._ours(state), str(path))
        if made_without_eps(path, variant.weights):
            move_eps_into_weight(detector.network)
        return detector.network.state_dict(), Card(detector.architecture, variant.image_size)

    @classmethod
    def _ours(cls, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """TorchVision's state dict as one of our network."""
        return state


class _Detections(nn.Module):
    """One frame (1, 3, H, W), 0 to 1, to its boxes, scores and classes."""

    def __init__(self, network: nn.Module, first_class: int):
        super().__init__()
        self.network, self.first_class = network, first_class

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = self.network(images * 255)[0]
        return rows["boxes"], rows["scores"], rows["labels"] - self.first_class


class AsTheyCome(nn.Module):
    """Takes the place of TorchVision's transform: frames come resized and padded, and are only normalised."""

    def __init__(self, transform: nn.Module):
        super().__init__()
        # The makers' own; not in the state dict, as in TorchVision.
        self.register_buffer("mean", torch.tensor(transform.image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(transform.image_std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor, targets: list | None = None) -> tuple[ImageList, list | None]:
        """(B, 3, H, W) uint8 as TorchVision's networks have them, and the targets as they are."""
        normalised = (images.float() / 255 - self.mean) / self.std
        return ImageList(normalised, [tuple(images.shape[-2:])] * len(images)), targets

    def postprocess(self, result: list, image_shapes: list, original_image_sizes: list) -> list:
        """Predictions are in pixels of the frames already."""
        return result


def mean_of(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of each loss over frames, whose losses ``parts`` holds one by one."""
    return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}


def residual_blocks(body: nn.Module) -> list[nn.Module]:
    """The blocks of a backbone: of its stages the blocks inside, and none of single layers, whose input is kept."""
    blocks: list[nn.Module] = []
    for child in body.children():
        if type(child) is nn.Sequential:
            blocks += residual_blocks(child)
        elif any(True for _ in child.parameters()) and any(True for _ in child.children()):
            blocks.append(child)
    return blocks


@contextmanager
def _attributes(module: nn.Module, values: dict[str, object]) -> Iterator[None]:
    """Give a module other attributes for a while."""
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _give_floats(module: nn.Module, inputs: tuple, output: object) -> object:
    """Forward hook: boxes of 600 pixels need more than bfloat16's eight bits."""
    if isinstance(output, torch.Tensor):
        return output.float()
    if isinstance(output, dict):
        return {name: _give_floats(module, inputs, value) for name, value in output.items()}
    return type(output)(_give_floats(module, inputs, value) for value in output)


def _take_floats(module: nn.Module, inputs: tuple) -> tuple:
    """Forward pre-hook: anchors take their type from the feature maps, and need of these no more than the shape."""
    images, features = inputs
    return images, [torch.empty((1, 1, *feature.shape[-2:]), device=feature.device) for feature in features]
