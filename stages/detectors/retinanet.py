"""The `retinanet` family: TorchVision's RetinaNet, focal loss over anchors (https://arxiv.org/abs/1708.02002)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torchvision.models import detection

from stages.detectors.base import ClassRows
from stages.detectors.torchvision_network import TorchVisionDetector, Variant, residual_blocks

_ANCHORS = 9  # at every place: three sizes of three shapes
_CLASS_HEAD = "head.classification_head.cls_logits"


class RetinaNet(TorchVisionDetector):
    """TorchVision's `RetinaNet`: it divides each frame's loss by the frame's own matches, and averages over frames.

    Its class head has a sigmoid for each class. TorchVision's COCO weights hold one for background, which nothing
    trains but to be silent: it is left out when they are read.
    """

    name = "retinanet"
    class_bias = (f"{_CLASS_HEAD}.bias", _ANCHORS)
    first_class = 0
    variants: ClassVar = {
        "resnet50-fpn": Variant(
            detection.retinanet_resnet50_fpn, detection.RetinaNet_ResNet50_FPN_Weights.COCO_V1, 1344
        ),
        "resnet50-fpn-v2": Variant(
            detection.retinanet_resnet50_fpn_v2, detection.RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1, 1344
        ),
    }

    def parts(self) -> dict[str, list[nn.Module]]:
        """ResNet, feature pyramid, and the two branches over it."""
        backbone = self.network.backbone
        return {"backbone": [backbone.body], "neck": [backbone.fpn], "head": [self.network.head]}

    def class_tensors(self) -> dict[str, ClassRows]:
        """The last convolution of the class branch."""
        return {f"{_CLASS_HEAD}.{kind}": ClassRows(repeats=_ANCHORS) for kind in ("weight", "bias")}

    def heat_layers(self) -> list[str]:
        """The pyramid's maps, from fine to coarse."""
        levels = [f"layer_blocks.{level}" for level in range(len(self.network.backbone.fpn.layer_blocks))]
        return [f"backbone.fpn.{name}" for name in (*levels, "extra_blocks.p6", "extra_blocks.p7")]

    def blocks(self) -> list[nn.Module]:
        """The residual blocks, the pyramid and both branches."""
        head, backbone = self.network.head, self.network.backbone
        return [*residual_blocks(backbone.body), backbone.fpn, head.classification_head, head.regression_head]

    def _in_full_precision(self) -> list[nn.Module]:
        return [self.network.head]

    def _anchors(self) -> nn.Module:
        return self.network.anchor_generator

    def _thresholds(self, min_score: float, nms_iou: float, max_objects: int) -> tuple[nn.Module, dict[str, object]]:
        candidates = max(self.network.topk_candidates, max_objects)  # of each level, before suppression
        values = {"score_thresh": min_score, "nms_thresh": nms_iou, "detections_per_img": max_objects}
        return self.network, values | {"topk_candidates": candidates}

    @classmethod
    def _ours(cls, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Without the rows of background."""
        for name in (f"{_CLASS_HEAD}.weight", f"{_CLASS_HEAD}.bias"):
            if name in state:
                tensor = state[name]
                state[name] = tensor.view(_ANCHORS, -1, *tensor.shape[1:])[:, 1:].flatten(0, 1)
        return state
