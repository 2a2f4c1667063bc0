"""What an appearance model learns by: naming training identities, and keeping them apart."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_SMOOTHING = 0.1  # of labels, arXiv:1512.00567


def batch_hard_triplet(embeddings: torch.Tensor, identities: torch.Tensor, margin: float) -> torch.Tensor:
    """The triplet loss over a batch's hardest cases (Hermans et al., arXiv:1703.07737, equation 5), a mean.

    For every one of the (n, D) embeddings: the distance to the farthest of its own identity, less that to the nearest
    of another, plus ``margin``, and no less than 0. ``identities`` is (n,). Distances are between embeddings of length
    1, as these are compared by cosine; with OSNet's own lengths the loss first shrinks them, and learns little else.
    """
    distances = _distances(functional.normalize(embeddings))
    same = identities[:, None] == identities[None, :]
    farthest = distances.masked_fill(~same, 0.0).amax(dim=1)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    return (farthest - nearest + margin).clamp(min=0).mean()


def _distances(points: torch.Tensor) -> torch.Tensor:
    """Distances of all pairs (n, n) of points of length 1; where two are equal the gradient is 0 and not infinite."""
    return (2 - 2 * points @ points.T).clamp(min=1e-12).sqrt()


class AppearanceLoss(nn.Module):
    """Softmax with smoothed labels, as OSNet's authors train (arXiv:1905.00953), plus batch-hard triplets."""

    def __init__(self, margin: float):
        super().__init__()
        self._margin, self._softmax = margin, nn.CrossEntropyLoss(label_smoothing=_SMOOTHING)

    def forward(
        self, logits: torch.Tensor, embeddings: torch.Tensor, identities: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """`loss` and its parts; ``logits`` (n, I), ``embeddings`` (n, D), ``identities`` (n,) from 0."""
        parts = {
            "loss_softmax": self._softmax(logits, identities),
            "loss_triplet": batch_hard_triplet(embeddings, identities, self._margin),
        }
        return {"loss": sum(parts.values())} | parts
