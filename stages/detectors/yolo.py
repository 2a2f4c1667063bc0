"""The `yolo` family: Ultralytics' detection networks and losses (v8, 11, 12, 26, or a YAML file)."""

from __future__ import annotations

import copy
import math
import re
from pathlib import Path

import torch
import torchvision
from torch import nn

from stages.detectors.base import Architecture, Batch, ClassRows, Detector, Exportable
from stages.detectors.card import Card
from stages.detectors.suppression import confident, suppressed
from stages.detectors.ultralytics_networks import (
    backbone_outputs,
    build_network,
    layers_before_head,
    parts_of,
    relative_boxes,
)
from stages.detectors.ultralytics_quietly import DEFAULT_CFG_DICT, IterableSimpleNamespace, tasks
from stages.detectors.ultralytics_weights import published_by_ultralytics, read_ultralytics
from stages.detectors.yolo_loss import loss_by_frame

_KNOWN = "one of Ultralytics' (yolov8n, yolo11s, yolo12n, yolo26n, ...), yolov8-pico, or a YAML file"
_LOSS_STATE = ("updates", "o2m", "o2o")  # of the loss of end-to-end models: the weights of its two heads


class Yolo(Detector):
    """An Ultralytics `DetectionModel` whose class head ends in exactly the classes asked for."""

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        heads = ("Detect", "v10Detect")
        base = architecture.base_classes
        self.network = build_network(tasks.DetectionModel, architecture.model, base, heads, _KNOWN)
        self.network.args = IterableSimpleNamespace(**DEFAULT_CFG_DICT)
        if architecture.base_classes != len(architecture.classes):
            _resize_class_head(self.network, len(architecture.classes))
        self.network.names = dict(enumerate(architecture.classes))
        self.criterion = None

    def begin_training(self, epochs: int) -> None:
        """Make the loss anew: that of end-to-end models shifts weight between its two heads over the epochs."""
        self.network.args.epochs = epochs
        self.criterion = loss_by_frame(self.network)

    def end_epoch(self) -> None:
        """Let the loss take its step from epoch to epoch, as Ultralytics' trainer does."""
        if hasattr(self.criterion, "update"):
            self.criterion.update()

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Ultralytics' box, class and distribution (or L1) losses, each a mean over frames; see `LossByFrame`."""
        if self.criterion is None:
            self.begin_training(epochs=1)
        targets = {
            "batch_idx": batch.frame.float(),
            "cls": batch.classes.float().view(-1, 1),
            "bboxes": relative_boxes(batch),
        }
        scaled, _ = self.criterion(self.network(batch.images.float() / 255), targets)
        # Ultralytics multiplies by the batch size.
        return dict(zip(("loss_box", "loss_cls", "loss_dfl"), scaled / len(batch), strict=True))

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """Decode the one-to-many head, which every version has, and suppress double boxes class by class."""
        output = self.network(images.float() / 255)[0].float()  # (B, 4 + classes, n)
        return [_suppress(frame, min_score, nms_iou, max_objects) for frame in output]

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every anchor of the head that `predict` decodes."""
        output = self.network(images.float() / 255)[0][0].float()  # (4 + classes, n)
        return torchvision.ops.box_convert(output[:4].T, "cxcywh", "xyxy"), output[4 + label]

    def heat_layers(self) -> list[str]:
        """The backbone's maps that the neck takes."""
        return backbone_outputs(self.network)

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """The one-to-many head's candidates, at any batch and any size that is a multiple of the stride."""
        network = copy.deepcopy(self.network).to(memory_format=torch.contiguous_format).eval().fuse(verbose=False)
        network.model[-1].dynamic = True  # anchors are made from the input's size
        return Exportable(_Candidates(network), "anchors", ("batch", "height", "width"))

    def parts(self) -> dict[str, list[nn.Module]]:
        """By the model's own YAML: its backbone's layers, its head's last layer, and what is between."""
        return parts_of(self.network)

    def class_tensors(self) -> dict[str, ClassRows]:
        """The last convolution of every class branch."""
        last = len(self.network.model) - 1
        pattern = re.compile(rf"model\.{last}\.(one2one_)?cv3\.\d+\.2\.(weight|bias)")
        return {name: ClassRows() for name in self.network.state_dict() if pattern.fullmatch(name)}

    def blocks(self) -> list[nn.Module]:
        """Every layer before the head: the head's inputs are outputs of these, and kept."""
        return layers_before_head(self.network)

    def loss_state(self) -> dict[str, float]:
        """Where an end-to-end model's loss stands between its two heads."""
        return {name: getattr(self.criterion, name) for name in _LOSS_STATE if hasattr(self.criterion, name)}

    def load_loss_state(self, state: dict[str, float]) -> None:
        """See `loss_state`."""
        for name, value in state.items():
            setattr(self.criterion, name, value)

    @classmethod
    def published(cls, model: str) -> str:
        """Ultralytics' own weights for ``model``."""
        return published_by_ultralytics(model)

    @classmethod
    def read(cls, path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
        """An Ultralytics checkpoint."""
        return read_ultralytics(path, "yolo", model)


class _Candidates(nn.Module):
    """What a network finds as boxes (B, n, 4) x1 y1 x2 y2 in pixels and scores (B, n, classes)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.network(images)[0].transpose(1, 2)  # (B, n, 4 + classes): centre x, y, width, height, scores
        centre, half = output[..., :2], output[..., 2:4] / 2
        return torch.cat([centre - half, centre + half], dim=-1), output[..., 4:]


def _suppress(output: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> torch.Tensor:
    """Non-maximum suppression per class; ``output`` (4 + classes, n) has centre x, y, width, height and scores."""
    scores, anchors, classes = confident(output[4:], min_score)
    boxes = torchvision.ops.box_convert(output[:4].T[anchors], "cxcywh", "xyxy")
    return suppressed(boxes, scores, classes, nms_iou, max_objects)


def _resize_class_head(network: nn.Module, classes: int) -> None:
    """Give every class branch a last layer for ``classes``; everything before it keeps its width."""
    head = network.model[-1]
    branches = [head.cv3] if getattr(head, "one2one_cv3", None) is None else [head.cv3, head.one2one_cv3]
    for branch in branches:
        for stride, layers in zip(head.stride, branch, strict=True):
            layers[-1] = nn.Conv2d(layers[-1].in_channels, classes, 1)
            # As Ultralytics begins: about five objects in a 640-pixel image.
            layers[-1].bias.data[:] = math.log(5 / classes / (640 / float(stride)) ** 2)
    head.nc, head.no = classes, classes + 4 * head.reg_max
    network.yaml["nc"] = classes
