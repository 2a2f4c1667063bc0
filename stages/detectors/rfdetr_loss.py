"""RF-DETR's loss as a mean over frames."""

from __future__ import annotations

import torch
import torchvision
from torch.nn.functional import logsigmoid

from stages.detectors.rfdetr_quietly import SetCriterion, elementwise_box_iou

_KINDS = {"loss_giou": "loss_giou", "loss_ce": "loss_cls", "loss_bbox": "loss_l1"}  # RF-DETR's names, and ours


class LossByFrame(SetCriterion):
    """RF-DETR's loss with every frame's part divided by that frame's own boxes (1 if it has none).

    RF-DETR divides by the boxes of a batch, over all processes too, so that what a frame adds depends on its
    companions; for a batch of one frame both are the same. Both count every group of queries that trains beside the
    others (13 of them), as each is matched to all boxes. Matching and the weights of the parts are RF-DETR's.
    """

    @classmethod
    def like(cls, criterion: SetCriterion) -> LossByFrame:
        """One with the matcher and the weights of ``criterion``."""
        fixed = {"losses": ["labels", "boxes"], "ia_bce_loss": True, "group_detr": criterion.group_detr}
        return cls(
            criterion.num_classes, criterion.matcher, criterion.weight_dict, focal_alpha=criterion.focal_alpha, **fixed
        )

    def parts(self, outputs: dict, targets: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """The parts of the loss, each summed over decoder layers and encoder.

        ``outputs`` are the network's, in float32; ``targets`` are each frame's `labels` (n,) and `boxes` (n, 4):
        centre x, y, width and height as shares of the image.
        """
        boxes = [max(1, len(target["labels"])) for target in targets]
        groups = self.group_detr if self.training else 1
        losses = self(outputs, targets, num_boxes=outputs["pred_logits"].new_tensor(boxes) * groups)
        return {
            ours: sum(loss * self.weight_dict[name] for name, loss in losses.items() if name.startswith(theirs))
            for theirs, ours in _KINDS.items()
        }

    def loss_labels(
        self, outputs: dict, targets: list, indices: list, num_boxes: torch.Tensor, log: bool = True, *, matched_targets
    ) -> dict[str, torch.Tensor]:
        """IoU-aware binary cross-entropy, as LW-DETR has it (Chen et al., arXiv 2406.03459).

        A matched query's class is there with t = score^a * IoU^(1 - a) and absent with 1 - t; every other is absent,
        weighted by score^2. ``num_boxes`` (B,) divides each frame's sum.
        """
        logits = outputs["pred_logits"]
        frames, queries = matched_targets.source_indices
        places = (frames, queries, matched_targets.labels)
        scores = logits.sigmoid()
        corners = torchvision.ops.box_convert(outputs["pred_boxes"].detach()[frames, queries], "cxcywh", "xyxy")
        overlap, _ = elementwise_box_iou(corners, torchvision.ops.box_convert(matched_targets.boxes, "cxcywh", "xyxy"))
        there = (scores.detach()[places] ** self.focal_alpha * overlap ** (1 - self.focal_alpha)).clamp(min=0.01)
        present = torch.zeros_like(logits).index_put(places, there)
        absent = scores.square().index_put(places, 1 - there)
        loss = -(present * logsigmoid(logits) + absent * logsigmoid(-logits))
        return {"loss_ce": (loss.sum((1, 2)) / num_boxes).mean()}

    def loss_boxes(
        self, outputs: dict, targets: list, indices: list, num_boxes: torch.Tensor, *, matched_targets
    ) -> dict[str, torch.Tensor]:
        """L1 and generalised IoU losses of matched boxes; ``num_boxes`` (B,) divides each frame's sum."""
        frames, queries = matched_targets.source_indices
        boxes, truth = outputs["pred_boxes"][frames, queries], matched_targets.boxes
        weights = (1 / num_boxes / len(num_boxes))[frames]
        corners, true_corners = (torchvision.ops.box_convert(each, "cxcywh", "xyxy") for each in (boxes, truth))
        giou = torchvision.ops.generalized_box_iou_loss(corners, true_corners)
        l1 = (boxes - truth).abs().sum(1)
        return {"loss_bbox": (l1 * weights).sum(), "loss_giou": (giou * weights).sum()}
