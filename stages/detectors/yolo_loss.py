"""YOLO's loss as a mean over frames."""

from __future__ import annotations

import torch
from torch import nn

from stages.detectors.ultralytics_quietly import E2ELoss, v8DetectionLoss


class LossByFrame(v8DetectionLoss):
    """Ultralytics' loss with every frame's part divided by that frame's own target scores, as a mean over frames.

    Ultralytics divides by the sum of the target scores (the assigner's soft labels, at least 1) of the whole batch, so
    that what a frame adds depends on its companions; for a batch of one frame both are the same. The assignment, which
    is made frame by frame, the parts of the loss and their weights are Ultralytics'.
    """

    def __init__(self, network: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None):
        super().__init__(network, tal_topk, tal_topk2)
        self._assign, self._score_loss, self._box_loss = self.assigner, self.bce, self.bbox_loss
        # Ultralytics calls these by turns, and divides what the second and the third give by the batch's sum.
        self.assigner, self.bce, self.bbox_loss = self._assigned, self._of_scores, self._of_boxes

    def _assigned(self, *of_frames: torch.Tensor, **options: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Ultralytics' assignment. Keeps by how much the batch's divisor exceeds what is to divide each frame."""
        assigned = self._assign(*of_frames, **options)
        scores = assigned[2]  # (B, n, classes)
        by_frame = scores.sum((1, 2)).clamp(min=1)
        self._factors = (scores.sum().clamp(min=1) / (by_frame * len(scores))).view(-1, 1, 1)
        return assigned

    def _of_scores(self, logits: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Cross-entropy (B, n, classes)."""
        return self._score_loss(logits, scores) * self._factors

    def _of_boxes(
        self,
        distances: torch.Tensor,
        boxes: torch.Tensor,
        anchors: torch.Tensor,
        true_boxes: torch.Tensor,
        scores: torch.Tensor,  # (B, n, classes), by whose sum over classes an anchor's loss is weighted
        *rest: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """CIoU loss, and the distribution's (or the L1) loss."""
        return self._box_loss(distances, boxes, anchors, true_boxes, scores * self._factors, *rest)


def loss_by_frame(network: nn.Module) -> LossByFrame | E2ELoss:
    """The loss that Ultralytics has for a network, by frame: of end-to-end models, in both heads."""
    if isinstance(network.init_criterion(), E2ELoss):
        return E2ELoss(network, LossByFrame)
    return LossByFrame(network)
