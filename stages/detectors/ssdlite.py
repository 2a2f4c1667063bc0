"""The `ssdlite` family: TorchVision's SSDlite on MobileNetV3-Large (https://arxiv.org/abs/1905.02244, section 6.3)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.ssd import SSD

from stages.detectors.base import Architecture, ClassRows
from stages.detectors.torchvision_network import TorchVisionDetector, Variant, mean_of, residual_blocks

_BOXES = 6  # default boxes at every place
_CLASS_HEAD = "head.classification_head.module_list"


class SsdLite(TorchVisionDetector):
    """TorchVision's `SSD` for frames of any size; its default boxes grow with the frame, whatever its shape.

    TorchVision divides the loss of a batch by the matches of the batch. Here each frame's is divided by its own, and
    averaged over frames, so that a batch may be cut.
    """

    name = "ssdlite"
    class_bias = (f"{_CLASS_HEAD}.0.1.bias", _BOXES)
    variants: ClassVar = {
        "ssdlite320-mobilenetv3-large": Variant(
            detection.ssdlite320_mobilenet_v3_large, detection.SSDLite320_MobileNet_V3_Large_Weights.COCO_V1, 320
        )
    }

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        self.network.__class__ = _SsdByFrame

    def parts(self) -> dict[str, list[nn.Module]]:
        """MobileNet, the layers that shrink its last map further, and the branches over all maps."""
        backbone = self.network.backbone
        return {"backbone": [backbone.features], "neck": [backbone.extra], "head": [self.network.head]}

    def class_tensors(self) -> dict[str, ClassRows]:
        """The last convolution of the class branch on each map, with background first."""
        maps = len(self.network.head.classification_head.module_list)
        names = [f"{_CLASS_HEAD}.{number}.1.{kind}" for number in range(maps) for kind in ("weight", "bias")]
        return {name: ClassRows(repeats=_BOXES, before=1) for name in names}

    def heat_layers(self) -> list[str]:
        """MobileNet's two maps and the further ones, from fine to coarse."""
        backbone = self.network.backbone
        names = [f"features.{number}" for number in range(len(backbone.features))]
        return [f"backbone.{name}" for name in (*names, *(f"extra.{number}" for number in range(len(backbone.extra))))]

    def blocks(self) -> list[nn.Module]:
        """MobileNet's blocks, the shrinking layers and the branches of each map."""
        head, backbone = self.network.head, self.network.backbone
        branches = [*head.classification_head.module_list, *head.regression_head.module_list]
        return [*residual_blocks(backbone.features), *backbone.extra, *branches]

    def _in_full_precision(self) -> list[nn.Module]:
        return [self.network.head]

    def _anchors(self) -> nn.Module:
        return self.network.anchor_generator

    def _thresholds(self, min_score: float, nms_iou: float, max_objects: int) -> tuple[nn.Module, dict[str, object]]:
        candidates = max(self.network.topk_candidates, max_objects)  # of each class, before suppression
        values = {"score_thresh": min_score, "nms_thresh": nms_iou, "detections_per_img": max_objects}
        return self.network, values | {"topk_candidates": candidates}


class _SsdByFrame(SSD):
    def compute_loss(
        self, targets: list[dict], head_outputs: dict[str, torch.Tensor], anchors: list, matched_idxs: list
    ) -> dict[str, torch.Tensor]:
        """TorchVision's loss of each frame, averaged."""
        frames = [
            super(_SsdByFrame, self).compute_loss(
                targets[place : place + 1],
                {name: output[place : place + 1] for name, output in head_outputs.items()},
                anchors[place : place + 1],
                matched_idxs[place : place + 1],
            )
            for place in range(len(targets))
        ]
        return mean_of(frames)
