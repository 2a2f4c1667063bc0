"""TorchVision's Faster R-CNN trained in the manner of its reference scripts: a plain loop, written for comparison.

Run as ``python -m benchmarks.peers.torchvision_loop ARGUMENTS.json``; reads `epochs`, `batch`, `side`, `lr`,
`weight_decay`, `seed`, `classes`, `cores`, `weights`, `report` and `start`. What TorchVision's `references/detection`
does, here too: PIL images from JPEG files, flipped with chance one half (its preset `hflip`); a batch as a list of
tensors that the network itself normalises, resizes and stacks (`GeneralizedRCNNTransform`, at the images' own side);
the sum of the network's losses, whose value is looked at in every step; one step of SGD with Nesterov momentum a batch;
in the first epoch a linear warm-up. From scratch its BatchNorm is not frozen, and all layers train. `start` holds
first weights, so that both sides of a comparison begin alike. No validation. Writes the weights, and the seconds
inside of epochs to `report`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn
from torchvision.transforms.functional import hflip, pil_to_tensor

_MOMENTUM = 0.9
_LEAST = 1e-3  # what the warm-up starts from, as a share of the learning rate

Example = tuple[torch.Tensor, dict[str, torch.Tensor]]


class Frames(Dataset):
    """The images below `images/train` with the boxes of `labels/train`, in YOLO's format."""

    def __init__(self):
        self._paths = sorted(Path("images/train").glob("*.jpg"))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Example:
        path = self._paths[number]
        image = Image.open(path).convert("RGB")
        boxes, labels = _targets(Path("labels/train") / f"{path.stem}.txt", image.size)
        if torch.rand(1) < 0.5:
            image = hflip(image)
            boxes[:, [0, 2]] = image.size[0] - boxes[:, [2, 0]]
        return pil_to_tensor(image).float() / 255, {"boxes": boxes, "labels": labels}


def _targets(path: Path, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (N, 4) x1 y1 x2 y2 in pixels, and labels (N,) from 1."""
    rows = torch.tensor([[float(value) for value in line.split()] for line in path.read_text().splitlines()])
    rows = rows.view(-1, 5)
    centre, half = rows[:, 1:3], rows[:, 3:5] / 2
    boxes = torch.cat([centre - half, centre + half], dim=1) * torch.tensor(size).repeat(2)
    return boxes, rows[:, 0].long() + 1


def _collate(examples: list[Example]) -> tuple[list[torch.Tensor], list[dict]]:
    images, targets = zip(*examples, strict=True)
    return list(images), list(targets)


def main(path: str) -> None:
    """Train."""
    given = json.loads(Path(path).read_text())
    torch.set_num_threads(given["cores"])
    torch.manual_seed(given["seed"])
    network = fasterrcnn_mobilenet_v3_large_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=given["classes"] + 1,
        min_size=given["side"],
        max_size=given["side"],
    )
    network.load_state_dict(load_file(given["start"]))
    loader = DataLoader(Frames(), given["batch"], shuffle=True, collate_fn=_collate)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=given["lr"], momentum=_MOMENTUM, weight_decay=given["weight_decay"], nesterov=True
    )
    seconds = 0.0
    for epoch in range(given["epochs"]):
        start = time.perf_counter()
        _train_epoch(network, loader, optimizer, is_first=epoch == 0)
        seconds += time.perf_counter() - start
    torch.save(network.state_dict(), given["weights"])
    Path(given["report"]).write_text(json.dumps({"training_seconds": seconds}))


def _train_epoch(
    network: torch.nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, is_first: bool
) -> None:
    network.train()
    steps = max(1, len(loader) - 1)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, _LEAST, total_iters=steps) if is_first else None
    for images, targets in loader:
        losses = network(images, targets)
        loss = sum(losses.values())
        if not math.isfinite(loss.item()):
            raise RuntimeError(f"the loss is {loss.item()}: {losses}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if warmup is not None:
            warmup.step()


if __name__ == "__main__":
    main(sys.argv[1])
