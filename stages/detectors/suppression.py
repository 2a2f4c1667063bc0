"""From a network's scored boxes to the detections of a frame: the same last step in several families."""

from __future__ import annotations

import torch
import torchvision


def suppressed(
    boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, nms_iou: float, max_objects: int
) -> torch.Tensor:
    """Non-maximum suppression class by class; returns (n, 6) x1 y1 x2 y2, score and class, best first.

    ``boxes`` (m, 4) x1 y1 x2 y2, ``scores`` and ``classes`` (m,). With ``nms_iou`` 1 all are kept: sets of boxes
    that a network predicts as a whole (DETRs) hold few doubles, and can do without.
    """
    kept = torchvision.ops.batched_nms(boxes, scores, classes, nms_iou)[:max_objects]
    return torch.cat([boxes[kept], scores[kept, None], classes[kept, None].to(boxes.dtype)], dim=1)


def confident(scores: torch.Tensor, min_score: float, most: int = 10_000) -> tuple[torch.Tensor, ...]:
    """Scores (classes, n) at or above the threshold as (scores, places, classes), the best ``most`` of them."""
    classes, places = torch.nonzero(scores >= min_score, as_tuple=True)
    values = scores[classes, places]
    if len(values) > most:
        values, order = values.topk(most)
        classes, places = classes[order], places[order]
    return values, places, classes
