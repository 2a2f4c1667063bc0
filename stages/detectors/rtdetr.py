"""The `rtdetr` family: Ultralytics' RT-DETR networks (l, x, ResNet-50, ResNet-101, or a YAML file) and their loss."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional

from stages.detectors.base import Architecture, Batch, ClassRows, Detector, Exportable
from stages.detectors.card import Card
from stages.detectors.suppression import suppressed
from stages.detectors.ultralytics_networks import (
    as_made,
    backbone_outputs,
    build_network,
    layers_before_head,
    parts_of,
    relative_boxes,
)
from stages.detectors.ultralytics_quietly import RTDETRDetectionLoss, bbox_iou, tasks
from stages.detectors.ultralytics_weights import published_by_ultralytics, read_ultralytics

_KNOWN = "rtdetr-l, rtdetr-x, rtdetr-resnet50, rtdetr-resnet101, or a YAML file"
_PRIOR = 0.01  # how likely a fresh network holds a query for an object of a class
_PARTS = {"loss_giou": "loss_giou", "loss_class": "loss_cls", "loss_bbox": "loss_l1"}  # Ultralytics' names, and ours


class RtDetr(Detector):
    """An Ultralytics `RTDETRDetectionModel`: a convolutional encoder, and a decoder that predicts a set of boxes.

    RT-DETR is of Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection" (arXiv 2304.08069).
    """

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        classes = len(architecture.classes)
        model = architecture.model
        self.network = build_network(_Network, model, classes, ("RTDETRDecoder",), _KNOWN)
        self.network.names = dict(enumerate(architecture.classes))
        head = self.network.model[-1]
        for layer in (head.enc_score_head, *head.dec_score_head):
            # Ultralytics scales this bias by classes / 80, after which few classes begin as objects everywhere.
            nn.init.constant_(layer.bias, -torch.tensor(1 / _PRIOR - 1).log().item())
        self.criterion = _LossByFrame(nc=classes, use_vfl=True)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """GIoU, varifocal and L1 losses, each summed over decoder layers, encoder and denoising; see `_LossByFrame`.

        How often each box is denoised depends on the fullest frame of the batch (100 queries are shared out), and a
        frame's loss is a mean over them: only the noise that is drawn depends on how a batch is cut.
        """
        counts = torch.bincount(batch.frame, minlength=len(batch)).tolist()
        targets = {"cls": batch.classes, "bboxes": relative_boxes(batch), "batch_idx": batch.frame, "gt_groups": counts}
        boxes, scores, encoder_boxes, encoder_scores, denoising = self._run(batch.images, targets)
        denoised = {}
        if denoising is not None:
            denoised_boxes, boxes = boxes.split(denoising["dn_num_split"], dim=2)
            denoised_scores, scores = scores.split(denoising["dn_num_split"], dim=2)
            denoised = {"dn_bboxes": denoised_boxes, "dn_scores": denoised_scores, "dn_meta": denoising}
        predicted = torch.cat([encoder_boxes[None], boxes]), torch.cat([encoder_scores[None], scores])
        losses = self.criterion(predicted, targets, **denoised)
        return {
            ours: sum(loss for name, loss in losses.items() if name.startswith(theirs))
            for theirs, ours in _PARTS.items()
        }

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """The decoder's set of boxes; those that overlap by more than ``nms_iou`` in a class are thinned out.

        The set holds few doubles: with ``nms_iou`` 1 it is left as it is.
        """
        height, width = images.shape[-2:]
        output, _ = self._run(images)  # (B, n, 6): centre x, y, width, height as shares, score and class
        boxes = torchvision.ops.box_convert(output[..., :4], "cxcywh", "xyxy")
        boxes = boxes * boxes.new_tensor([width, height, width, height])
        found = []
        for frame, places in zip(output, boxes, strict=True):
            sure = frame[:, 4] >= min_score
            found.append(suppressed(places[sure], frame[sure, 4], frame[sure, 5], nms_iou, max_objects))
        return found

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every query of the decoder's last layer."""
        _, (boxes, logits, *_) = self._run(images)
        height, width = images.shape[-2:]
        places = torchvision.ops.box_convert(boxes[-1, 0], "cxcywh", "xyxy")
        return places * places.new_tensor([width, height, width, height]), logits[-1, 0, :, label].sigmoid()

    def heat_layers(self) -> list[str]:
        """The backbone's maps that the encoder takes."""
        return backbone_outputs(self.network)

    def _run(self, images: torch.Tensor, targets: dict | None = None) -> tuple:
        return self.network(images.float() / 255, targets)

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """The decoder's queries, at any batch and any size that is a multiple of the stride."""
        network = as_made(copy.deepcopy(self.network)).to(memory_format=torch.contiguous_format)
        network = network.eval().fuse(verbose=False)
        network.model[-1].dynamic = True  # anchors are made from the input's size
        return Exportable(_Queries(network), "queries", ("batch", "height", "width"))

    def parts(self) -> dict[str, list[nn.Module]]:
        """By the model's own YAML: its backbone's layers, its decoder, and the encoder between."""
        return parts_of(self.network)

    def class_tensors(self) -> dict[str, ClassRows]:
        """The score layers of encoder and decoder, and what denoising embeds classes with."""
        last = len(self.network.model) - 1
        names = r"(enc_score_head|dec_score_head\.\d+)\.(weight|bias)|denoising_class_embed\.weight"
        pattern = re.compile(rf"model\.{last}\.({names})")
        return {name: ClassRows() for name in self.network.state_dict() if pattern.fullmatch(name)}

    def blocks(self) -> list[nn.Module]:
        """Every layer before the head, and every layer of the decoder."""
        return [*layers_before_head(self.network), *self.network.model[-1].decoder.layers]

    @classmethod
    def published(cls, model: str) -> str:
        """Ultralytics' own weights for ``model``: there are some for l and x."""
        return published_by_ultralytics(model)

    @classmethod
    def read(cls, path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
        """An Ultralytics checkpoint."""
        return read_ultralytics(path, "rtdetr", model)


class _Network(tasks.RTDETRDetectionModel):
    """Ultralytics' network, with a decoder that computes in float32 whatever the precision of the rest.

    In bfloat16 a box edge could be 2 pixels off in 640.
    """

    def forward(self, images: torch.Tensor, targets: dict | None = None) -> tuple:
        """The head's output of ``images`` (B, 3, H, W), 0 to 1.

        Every layer takes the output of the layers that the YAML file says (-1: the last).
        """
        *layers, head = self.model
        last, kept = images, []
        for layer in layers:
            if isinstance(layer.f, int):
                last = layer(last if layer.f == -1 else kept[layer.f])
            else:
                last = layer([last if source == -1 else kept[source] for source in layer.f])
            kept.append(last if layer.i in self.save else None)
        return self._decode([last if source == -1 else kept[source] for source in head.f], targets)

    # Denoising has another shape in every batch: it would be compiled again and again.
    @torch.compiler.disable
    def _decode(self, features: list[torch.Tensor], targets: dict | None) -> tuple:
        head = self.model[-1]
        head.shapes = []  # it would keep its anchors, and with them the precision and the device of another call
        with torch.autocast(features[0].device.type, enabled=False):
            return head([levels.float() for levels in features], targets)


class _Queries(nn.Module):
    """What a network finds as boxes (B, n, 4) x1 y1 x2 y2 in pixels and scores (B, n, classes)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, (boxes, logits, *_) = self.network(images)  # (1, B, n, 4) centre x, y, width, height as shares
        centre, half = boxes[0, ..., :2], boxes[0, ..., 2:] / 2
        x, y = torch.cat([centre - half, centre + half], dim=-1).view(*half.shape[:2], 2, 2).unbind(-1)
        return torch.stack([x * images.shape[3], y * images.shape[2]], dim=-1).flatten(2), logits[0].sigmoid()


class _LossByFrame(RTDETRDetectionLoss):
    """RT-DETR's loss with every frame's part divided by that frame's own matched boxes, as a mean over frames.

    Ultralytics divides by the matched boxes of the whole batch, so that what a frame adds depends on its companions;
    for a batch of one frame with boxes both are the same. The parts of the loss, their weights and the matching are
    Ultralytics'; only frames without boxes differ: they have the varifocal loss too (Ultralytics gives a batch
    without boxes the focal loss).
    """

    def _get_loss(
        self,
        pred_bboxes: torch.Tensor,  # (B, n, 4) centre x, y, width, height as shares
        pred_scores: torch.Tensor,  # (B, n, classes) logits
        gt_bboxes: torch.Tensor,
        gt_cls: torch.Tensor,
        gt_groups: list[int],
        postfix: str = "",
        match_indices: list[tuple] | None = None,
    ) -> dict[str, torch.Tensor]:
        if match_indices is None:
            match_indices = self.matcher(pred_bboxes, pred_scores, gt_bboxes, gt_cls, gt_groups)
        device = pred_scores.device
        (frames, queries), targets = self._get_index(match_indices)
        frames, queries, targets = (places.to(device) for places in (frames, queries, targets))
        matched = torch.tensor([max(len(found), 1) for found, _ in match_indices], device=device)
        weights = 1 / matched / len(matched)  # (B,)
        boxes, truth = pred_bboxes[frames, queries], gt_bboxes[targets]
        overlap = bbox_iou(boxes.detach(), truth, xywh=True).squeeze(-1)
        quality = torch.zeros_like(pred_scores).index_put((frames, queries, gt_cls[targets]), overlap)
        l1 = functional.l1_loss(boxes, truth, reduction="none").sum(-1)
        giou = 1 - bbox_iou(boxes, truth, xywh=True, GIoU=True).squeeze(-1)
        found = torch.zeros_like(pred_scores, dtype=torch.bool)
        found[frames, queries, gt_cls[targets]] = True
        scores = self._varifocal(pred_scores, quality, found).sum((1, 2))
        return {
            f"loss_class{postfix}": self.loss_gain["class"] * (scores * weights).sum(),
            f"loss_bbox{postfix}": self.loss_gain["bbox"] * (l1 * weights[frames]).sum(),
            f"loss_giou{postfix}": self.loss_gain["giou"] * (giou * weights[frames]).sum(),
        }

    def _varifocal(self, logits: torch.Tensor, quality: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Zhang et al., "VarifocalNet" (arXiv 2008.13367), equation 2, with quality the box's IoU."""
        background = self.vfl.alpha * logits.sigmoid().pow(self.vfl.gamma)
        weight = torch.where(found, quality, background)
        return weight * functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
