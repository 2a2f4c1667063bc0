"""What an appearance model learns by."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from stages.appearance.losses import AppearanceLoss, batch_hard_triplet

# Four points on the unit circle, the lengths of their embeddings differ.
ANGLES = (0, 30, 90, 180)
IDENTITIES = torch.tensor([1, 1, 2, 2])


def points() -> torch.Tensor:
    rows = [
        [length * math.cos(math.radians(a)), length * math.sin(math.radians(a))] for length, a in enumerate(ANGLES, 1)
    ]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def chord(degrees: float) -> float:
    return 2 * math.sin(math.radians(degrees) / 2)


def test_batch_hard_by_hand():
    # Each one's farthest own, and nearest other, by angle: 30 and 90, 30 and 60, 90 and 60, 90 and 150.
    cases = [(30, 90), (30, 60), (90, 60), (90, 150)]
    expected = sum(max(0.0, chord(own) - chord(other) + 0.3) for own, other in cases) / 4
    assert batch_hard_triplet(points(), IDENTITIES, 0.3).item() == pytest.approx(expected, abs=1e-12)


def test_equals_boxmots_on_embeddings_of_length_1():
    from boxmot.reid.training.losses import TripletLoss

    rows = torch.randn(16, 32, generator=torch.Generator().manual_seed(0))
    identities = torch.arange(4).repeat_interleave(4)
    theirs = TripletLoss(margin=0.3)(functional.normalize(rows), identities)
    assert batch_hard_triplet(rows, identities, 0.3).item() == pytest.approx(theirs.item(), abs=1e-5)


def test_equal_embeddings_have_a_gradient_that_is_finite():
    rows = torch.ones(4, 8, requires_grad=True)
    batch_hard_triplet(rows, IDENTITIES, 0.3).backward()
    assert torch.isfinite(rows.grad).all()


def test_the_sum_of_both_parts():
    logits = torch.zeros(4, 5, dtype=torch.float64)  # whatever the labels are smoothed to
    parts = AppearanceLoss(0.3)(logits, points(), IDENTITIES)
    assert parts["loss_softmax"].item() == pytest.approx(math.log(5))
    assert parts["loss"].item() == pytest.approx(parts["loss_softmax"].item() + parts["loss_triplet"].item())
