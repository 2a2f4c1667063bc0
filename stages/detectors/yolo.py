"""The `yolo` family: Ultralytics' detection networks and losses (v8, 11, 12, 26, or a YAML file)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
import torchvision
from torch import nn

from stages.detectors.base import Architecture, Batch, Detector
from stages.detectors.ultralytics_quietly import DEFAULT_CFG_DICT, IterableSimpleNamespace, tasks
from stages.errors import InputError

# Scales below Ultralytics' smallest: depth, width, most channels. `yolov8-pico` has 0.9 million parameters.
_SMALL_SCALES = {"pico": (0.25, 0.125, 1024)}


class Yolo(Detector):
    """An Ultralytics `DetectionModel` whose class head ends in exactly the classes asked for."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.network = _build(architecture)
        if type(self.network.model[-1]).__name__ not in ("Detect", "v10Detect"):
            raise InputError("params.yaml: detector.model", f"`{architecture.model}` is no detector", "name a detector")
        self.network.args = IterableSimpleNamespace(**DEFAULT_CFG_DICT)
        if architecture.base_classes != len(architecture.classes):
            _resize_class_head(self.network, len(architecture.classes))
        self.network.names = dict(enumerate(architecture.classes))
        self.criterion = None

    def begin_training(self, epochs: int) -> None:
        """Make the loss anew: that of end-to-end models shifts weight between its two heads over the epochs."""
        self.network.args.epochs = epochs
        self.criterion = self.network.init_criterion()

    def end_epoch(self) -> None:
        """Let the loss take its step from epoch to epoch, as Ultralytics' trainer does."""
        if hasattr(self.criterion, "update"):
            self.criterion.update()

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Ultralytics' box, class and distribution (or L1) losses, each a mean over frames."""
        if self.criterion is None:
            self.begin_training(epochs=1)
        height, width = batch.images.shape[-2:]
        size = batch.boxes.new_tensor([width, height, width, height])
        targets = {
            "batch_idx": batch.frame.float(),
            "cls": batch.classes.float().view(-1, 1),
            "bboxes": torchvision.ops.box_convert(batch.boxes, "xyxy", "cxcywh") / size,
        }
        scaled, _ = self.criterion(self.network(batch.images.float() / 255), targets)
        # Ultralytics multiplies by the batch size, which would make gradients depend on how a batch is cut.
        return dict(zip(("loss_box", "loss_cls", "loss_dfl"), scaled / len(batch), strict=True))

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """Decode the one-to-many head, which every version has, and suppress double boxes class by class."""
        output = self.network(images.float() / 255)[0].float()  # (B, 4 + classes, n)
        return [_suppress(frame, min_score, nms_iou, max_objects) for frame in output]

    def parts(self) -> dict[str, list[nn.Module]]:
        """By the model's own YAML: its backbone's layers, its head's last layer, and what is between."""
        layers = list(self.network.model)
        backbone = len(self.network.yaml["backbone"])
        return {"backbone": layers[:backbone], "neck": layers[backbone:-1], "head": layers[-1:]}

    def class_tensors(self) -> set[str]:
        """The last convolution of every class branch."""
        last = len(self.network.model) - 1
        pattern = re.compile(rf"model\.{last}\.(one2one_)?cv3\.\d+\.2\.(weight|bias)")
        return {name for name in self.network.state_dict() if pattern.fullmatch(name)}


def _build(architecture: Architecture) -> nn.Module:
    description = _describe(architecture.model)
    try:
        return tasks.DetectionModel(description, nc=architecture.base_classes, verbose=False)
    except (AssertionError, TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        what = f"`{architecture.model}` cannot be built ({' '.join(str(error).split())[:100]})"
        raise InputError("params.yaml: detector.model", what, "name another model, or mend its YAML file") from None


def _suppress(output: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> torch.Tensor:
    """Non-maximum suppression per class; ``output`` (4 + classes, n) has centre x, y, width, height and scores."""
    scores, anchors, classes = _confident(output[4:], min_score)
    boxes = torchvision.ops.box_convert(output[:4].T[anchors], "cxcywh", "xyxy")
    kept = torchvision.ops.batched_nms(boxes, scores, classes, nms_iou)[:max_objects]
    return torch.cat([boxes[kept], scores[kept, None], classes[kept, None].to(boxes.dtype)], dim=1)


def _confident(scores: torch.Tensor, min_score: float, most: int = 10_000) -> tuple[torch.Tensor, ...]:
    """Scores (classes, n) at or above the threshold as (scores, places, classes), the best ``most`` of them."""
    classes, places = torch.nonzero(scores >= min_score, as_tuple=True)
    values = scores[classes, places]
    if len(values) > most:
        values, order = values.topk(most)
        classes, places = classes[order], places[order]
    return values, places, classes


def _describe(model: str) -> dict | str:
    """The model as Ultralytics' YAML describes it; raises `InputError` where there is none."""
    base, _, scale = model.removesuffix(".yaml").partition("-")
    try:
        if scale in _SMALL_SCALES:
            description = tasks.yaml_model_load(f"{base}n.yaml")
            return description | {"scales": {scale: _SMALL_SCALES[scale]}, "scale": scale}
        if Path(model).suffix == ".yaml" and Path(model).exists():
            return tasks.yaml_model_load(model)
        return tasks.yaml_model_load(f"{model.removesuffix('.yaml')}.yaml")
    except FileNotFoundError:
        remedy = "name one of Ultralytics' (yolov8n, yolo11s, yolo12n, yolo26n, ...), yolov8-pico, or a YAML file"
        raise InputError("params.yaml: detector.model", f"no model `{model}`", remedy) from None


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
