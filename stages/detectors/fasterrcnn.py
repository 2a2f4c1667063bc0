"""The `fasterrcnn` family: TorchVision's Faster R-CNN on feature pyramids (https://arxiv.org/abs/1506.01497)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torchvision.models import detection, efficientnet_b0
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork

from stages.detectors.base import Architecture, ClassRows, Exportable
from stages.detectors.roi_pooling import PooledByProduct
from stages.detectors.torchvision_network import TorchVisionDetector, Variant, mean_of, residual_blocks

_PREDICTOR = "roi_heads.box_predictor"
# Of EfficientNet-B0: the last stages at strides 4, 8, 16 and 32, and the channels that they give.
_B0_STAGES = {"2": 24, "3": 40, "5": 112, "7": 320}


def _efficientnet_b0_fpn(*, weights: None, weights_backbone: None, num_classes: int) -> nn.Module:
    """Faster R-CNN as TorchVision puts it together, on EfficientNet-B0 (https://arxiv.org/abs/1905.11946)."""
    features = efficientnet_b0(weights=weights_backbone).features
    names = {stage: str(level) for level, stage in enumerate(_B0_STAGES)}
    return detection.FasterRCNN(BackboneWithFPN(features, names, [*_B0_STAGES.values()], 256), num_classes)


class FasterRcnn(TorchVisionDetector):
    """TorchVision's `FasterRCNN`.

    TorchVision averages its losses over all anchors and proposals that it samples from a batch. Here the average is
    taken in each frame and then over frames, so that a batch may be cut: the same where every frame has its full
    sample (256 anchors, 512 proposals).
    """

    name = "fasterrcnn"
    class_bias = (f"{_PREDICTOR}.cls_score.bias", 1)
    variants: ClassVar = {
        "resnet50-fpn": Variant(
            detection.fasterrcnn_resnet50_fpn, detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1, 1344
        ),
        "resnet50-fpn-v2": Variant(
            detection.fasterrcnn_resnet50_fpn_v2, detection.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1, 1344
        ),
        "mobilenetv3-large-fpn": Variant(
            detection.fasterrcnn_mobilenet_v3_large_fpn,
            detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1,
            1344,
        ),
        "efficientnet-b0-fpn": Variant(_efficientnet_b0_fpn, None, 1344),
    }

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        self.network.rpn.__class__ = _ProposalsByFrame
        self.network.roi_heads.__class__ = _HeadsByFrame
        self.network.roi_heads.box_roi_pool.__class__ = PooledByProduct

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every proposal, as the box head corrects it."""
        network, heads = self.network, self.network.roi_heads
        framed, _ = network.transform(images)
        features = network.backbone(framed.tensors)
        proposals, _ = network.rpn(framed, features)
        pooled = heads.box_roi_pool(features, proposals, framed.image_sizes)
        logits, deltas = heads.box_predictor(heads.box_head(pooled))
        boxes = heads.box_coder.decode(deltas, proposals)  # (n, classes, 4)
        return boxes[:, label + self.first_class], self._likely(logits, label)

    def heat_layers(self) -> list[str]:
        """The pyramid's maps, of which a proposal is pooled from one."""
        return [f"backbone.fpn.layer_blocks.{level}" for level in range(len(self.network.backbone.fpn.layer_blocks))]

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """As for all of TorchVision's; a trace can do nothing with a frame of which nothing is proposed."""
        exported = super().exportable(min_score, nms_iou, max_objects)
        exported.module.network.rpn.register_forward_hook(_propose_a_speck)
        return exported

    def parts(self) -> dict[str, list[nn.Module]]:
        """The backbone, its feature pyramid, and the proposal network with the heads."""
        network = self.network
        return {
            "backbone": [network.backbone.body],
            "neck": [network.backbone.fpn],
            "head": [network.rpn, network.roi_heads],
        }

    def class_tensors(self) -> dict[str, ClassRows]:
        """The two layers behind the box head: scores, and four numbers of a box for each class; background first."""
        tensors = {f"{_PREDICTOR}.cls_score.{kind}": ClassRows(before=1) for kind in ("weight", "bias")}
        return tensors | {f"{_PREDICTOR}.bbox_pred.{kind}": ClassRows(before=1, each=4) for kind in ("weight", "bias")}

    def blocks(self) -> list[nn.Module]:
        """The backbone's blocks, the pyramid, the proposal network's layers and the box head."""
        network = self.network
        backbone = [*residual_blocks(network.backbone.body), network.backbone.fpn]
        return [*backbone, network.rpn.head, network.roi_heads.box_head]

    def _in_full_precision(self) -> list[nn.Module]:
        return [self.network.rpn.head, self.network.roi_heads.box_predictor]

    def _anchors(self) -> nn.Module:
        return self.network.rpn.anchor_generator

    def _thresholds(self, min_score: float, nms_iou: float, max_objects: int) -> tuple[nn.Module, dict[str, object]]:
        values = {"score_thresh": min_score, "nms_thresh": nms_iou, "detections_per_img": max_objects}
        return self.network.roi_heads, values


def _propose_a_speck(rpn: nn.Module, inputs: tuple, output: tuple) -> tuple[list, dict]:
    """Forward hook: a proposal so small that TorchVision drops every box that can be made of it (below 0.01 px)."""
    proposals, losses = output
    return [torch.cat([boxes, boxes.new_tensor([[0.0, 0.0, 1e-4, 1e-4]])]) for boxes in proposals], losses


class _ProposalsByFrame(RegionProposalNetwork):
    def compute_loss(
        self, objectness: torch.Tensor, pred_bbox_deltas: torch.Tensor, labels: list, regression_targets: list
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """TorchVision's losses of each frame, averaged: of objectness and of the proposals' boxes."""
        counts = [len(label) for label in labels]
        split = zip(objectness.split(counts), pred_bbox_deltas.split(counts), labels, regression_targets, strict=True)
        frames = [
            super(_ProposalsByFrame, self).compute_loss(scores, deltas, [label], [target])
            for scores, deltas, label, target in split
        ]
        return tuple(torch.stack(values).mean() for values in zip(*frames, strict=True))


class _HeadsByFrame(RoIHeads):
    def forward(
        self, features: dict[str, torch.Tensor], proposals: list, image_shapes: list, targets: list | None = None
    ) -> tuple[list, dict[str, torch.Tensor]]:
        """As TorchVision's; in training, with its loss of each frame, averaged."""
        if not self.training:
            return super().forward(features, proposals, image_shapes, targets)
        proposals, _, labels, regression_targets = self.select_training_samples(proposals, targets)
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        scores, deltas = self.box_predictor(self.box_head(pooled))
        counts = [len(label) for label in labels]
        split = zip(scores.split(counts), deltas.split(counts), labels, regression_targets, strict=True)
        return [], mean_of([_head_loss(*frame) for frame in split])


def _head_loss(
    scores: torch.Tensor, deltas: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor
) -> dict[str, torch.Tensor]:
    """A frame's losses. A frame without boxes of which nothing is proposed has none: there is nothing to tell apart."""
    if not len(labels):
        return {"loss_classifier": scores.sum(), "loss_box_reg": deltas.sum()}
    return dict(
        zip(("loss_classifier", "loss_box_reg"), fastrcnn_loss(scores, deltas, [labels], [targets]), strict=True)
    )
