"""A detector of 40 numbers whose loss is a mean over frames, and which finds rectangles by their colour."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import nn

from stages.detectors import Architecture, Batch, ClassRows, Detector

ARCHITECTURE = Architecture("yolo", "tiny.yaml", ("person", "car"), 2)


@dataclass
class Script:
    """What validations are to find (a shift in pixels for each class, None for nothing), and what training saw."""

    shifts: list[tuple[int | None, int | None]] = field(default_factory=lambda: [(0, 0)])
    batches: list[Batch] = field(default_factory=list)
    autocast: list[torch.dtype | None] = field(default_factory=list)
    validated: list[tuple[int, ...]] = field(default_factory=list)
    epochs_ended: int = 0
    break_at: int = 0  # the batch whose gradient is no number, although its loss is

    def __deepcopy__(self, memo: dict) -> Script:
        return self  # the average's copy of a detector writes into the same script


class StubDetector(Detector):
    """Says how many objects of each class a frame shows; every layer's kind is there: convolution and BatchNorm."""

    def __init__(self, architecture: Architecture = ARCHITECTURE, script: Script | None = None):
        super().__init__(architecture)
        self.script, self.weight = script or Script(), 1.0
        self.network = nn.Sequential(
            nn.Conv2d(3, 4, 4, stride=4),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1),
            nn.Conv2d(4, len(architecture.classes), 1),
        )

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.script.batches.append(batch)
        enabled = torch.is_autocast_enabled(batch.images.device.type)
        self.script.autocast.append(torch.get_autocast_dtype(batch.images.device.type) if enabled else None)
        found = self.network(batch.images.float() / 255).float().mean((2, 3))
        if len(self.script.batches) == self.script.break_at:
            found.register_hook(lambda gradient: gradient * math.nan)
        there = torch.zeros_like(found)
        there.index_put_(
            (batch.frame, batch.classes), torch.ones(len(batch.frame), device=there.device), accumulate=True
        )
        errors = (found - there).square().mean(0)
        return {"loss_box": errors[0], "loss_cls": errors[1:].sum()}

    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        shifts = self.script.shifts[min(len(self.script.validated), len(self.script.shifts) - 1)]
        self.script.validated.append(tuple(images.shape))
        return [_coloured(image.int(), shifts) for image in images]

    def parts(self) -> dict[str, list[nn.Module]]:
        return {"backbone": list(self.network[:2]), "neck": [self.network[2]], "head": [self.network[3]]}

    def class_tensors(self) -> dict[str, ClassRows]:
        return {"3.weight": ClassRows(), "3.bias": ClassRows()}

    def blocks(self) -> list[nn.Module]:
        return [self.network[0], self.network[1], self.network[2]]

    def end_epoch(self) -> None:
        self.script.epochs_ended += 1
        self.weight = 1.0 / (1 + self.script.epochs_ended)

    def loss_state(self) -> dict[str, float]:
        return {"weight": self.weight}

    def load_loss_state(self, state: dict[str, float]) -> None:
        self.weight = state["weight"]


def _coloured(image: torch.Tensor, shifts: tuple[int | None, int | None]) -> torch.Tensor:
    """Boxes around the red and the blue pixels of an image (3, H, W)."""
    rows = []
    for number, (strong, weak) in enumerate([(0, 2), (2, 0)]):
        rows_, columns = torch.nonzero(image[strong] - image[weak] > 100, as_tuple=True)
        if shifts[number] is not None and len(rows_):
            corners = [columns.min(), rows_.min(), columns.max() + 1, rows_.max() + 1]
            shift = torch.tensor([shifts[number], 0, shifts[number], 0])
            rows.append([*(torch.stack(corners) + shift).tolist(), 0.9, number])
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
