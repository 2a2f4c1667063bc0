"""The `simple` family: a small anchor-free CNN detector to learn from, whole in this file.

A picture goes through three parts. The *backbone* is a ResNet in small (He et al. 2015, arXiv:1512.03385): blocks of
two convolutions around a shortcut, each stage at half the resolution of the one before. The *neck* is a feature
pyramid (Lin et al. 2016, arXiv:1612.03144): coarse maps, which see far, are enlarged and added to fine ones, which see
sharply; the finest, at a quarter of the resolution, goes on. The *head* says two things of each of its
cells (CenterNet, Zhou et al. 2019, arXiv:1904.07850): how likely it is the centre of an object of each class, and how
far the object's four sides are (FCOS, Tian et al. 2019, arXiv:1904.01355). There are no anchor boxes to tune.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss

from stages.detectors.base import Architecture, Batch, ClassRows, Detector, Exportable
from stages.detectors.batchnorm import BatchNorm
from stages.detectors.suppression import suppressed
from stages.errors import InputError

CELL = 4  # side of a cell of the head's map, in pixels
_PRIOR = 0.01  # how likely a cell is a centre, to a fresh network: few are, and it should not have to learn that
_SPREAD = 0.54 / 6  # standard deviation of the target around a centre, in sides of the box (TTFNet, arXiv:1909.00700)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours


class Size(NamedTuple):
    """Channels at strides 2, 4, 8, 16 and 32, residual blocks at each of the last four, and the neck's channels."""

    channels: tuple[int, int, int, int, int]
    blocks: int
    neck: int


SIZES = {"simple-tiny": Size((16, 24, 32, 64, 96), 1, 48), "simple-small": Size((32, 48, 96, 160, 256), 2, 96)}


class Simple(Detector):
    """`simple-tiny` has 0.3 million parameters, `simple-small` 3.8 million."""

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        if architecture.model not in SIZES:
            what, remedy = f"no model `{architecture.model}`", f"name one of {', '.join(SIZES)}"
            raise InputError("params.yaml: detector.model", what, remedy)
        self.network = Network(SIZES[architecture.model], len(architecture.classes))

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Focal loss of the centres and GIoU loss of the boxes, each of a frame, averaged over frames.

        The weights of the two are TTFNet's (1 and 5).
        """
        scores, sides = self.network(batch.images)
        heat = centre_targets(batch, scores.shape[1:])
        focal = focal_loss(scores, heat).sum((1, 2, 3))
        objects = torch.bincount(batch.frame, minlength=len(batch)).clamp(min=1)
        return {"loss_centre": (focal / objects).mean(), "loss_box": 5 * _box_loss(sides, batch)}

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """Each cell that is likelier a centre than its eight neighbours, and the box around it."""
        scores, sides = self.network(images)
        boxes = boxes_of(sides)  # (B, cells, 4)
        found = []
        for frame_scores, frame_boxes in zip(peaks_of(scores).flatten(2), boxes, strict=True):
            best, place = frame_scores.flatten().topk(min(frame_scores.numel(), max(1000, 4 * max_objects)))
            place, best = place[best >= min_score], best[best >= min_score]
            cells, classes = place % frame_scores.shape[1], place // frame_scores.shape[1]
            found.append(suppressed(frame_boxes[cells], best, classes, nms_iou, max_objects))
        return found

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every cell, peak or not."""
        scores, sides = self.network(images)
        return boxes_of(sides)[0], scores[0, label].flatten().sigmoid()

    def heat_layers(self) -> list[str]:
        """The backbone's stages, all of which the neck takes."""
        return [f"backbone.stages.{stage}" for stage in range(len(self.network.backbone.stages))]

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """Every cell's box, and its scores where it is a peak, at any batch and any size that is a multiple of 32."""
        network = copy.deepcopy(self.network).to(memory_format=torch.contiguous_format).eval()
        return Exportable(_Cells(network), "queries", ("batch", "height", "width"))

    def parts(self) -> dict[str, list[nn.Module]]:
        """Backbone, neck and head are what they are called in the network."""
        return {name: [getattr(self.network, name)] for name in ("backbone", "neck", "head")}

    def class_tensors(self) -> dict[str, ClassRows]:
        """The last convolution of the centres."""
        return {"head.centres.weight": ClassRows(), "head.centres.bias": ClassRows()}

    def blocks(self) -> list[nn.Module]:
        """The stem and the residual blocks, each step of the neck, and the head's first layer."""
        backbone, neck, head = self.network.backbone, self.network.neck, self.network.head
        residual = [block for stage in backbone.stages for block in stage]
        return [backbone.stem, *residual, *neck.smooth, head.shared]


class Network(nn.Module):
    """(B, 3, H, W) uint8 frames to scores (B, classes, H/4, W/4) as logits and sides (B, 4, H/4, W/4) in cells."""

    def __init__(self, size: Size, classes: int):
        super().__init__()
        self.backbone = Backbone(size)
        self.neck = Neck(size.channels[1:], size.neck)
        self.head = Head(size.neck, classes)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        images = (images.float() / 255 - self.mean) / self.std
        return self.head(self.neck(self.backbone(images)))


class Backbone(nn.Module):
    """Feature maps at strides 4, 8, 16 and 32."""

    def __init__(self, size: Size):
        super().__init__()
        self.stem = convolution(3, size.channels[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(narrow, wide, stride=2), *(Residual(wide, wide) for _ in range(size.blocks - 1)))
            for narrow, wide in zip(size.channels[:-1], size.channels[1:], strict=True)
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """See the class."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]


class Residual(nn.Module):
    """What two convolutions add to their input: relu(F(x) + shortcut(x)), figure 2 of the ResNet paper."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = convolution(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), BatchNorm(outputs))
        same = stride == 1 and inputs == outputs
        # Where the shape changes, the shortcut has to change it too.
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, kernel=1, stride=stride, relu=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, outputs, H/stride, W/stride)."""
        return functional.relu(self.second(self.first(features)) + self.shortcut(features))


class Neck(nn.Module):
    """From the coarsest map to the finest: enlarge, add the finer map, smooth. Gives the finest."""

    def __init__(self, channels: tuple[int, ...], width: int):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(number, width, 1) for number in channels)
        self.smooth = nn.ModuleList(convolution(width, width) for _ in channels[:-1])

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """See the class."""
        merged = self.lateral[-1](maps[-1])
        for level in range(len(maps) - 2, -1, -1):
            finer = self.lateral[level](maps[level])
            merged = self.smooth[level](finer + functional.interpolate(merged, size=finer.shape[-2:]))
        return merged


class Head(nn.Module):
    """One shared layer, then a layer each for centres and sides; both in float32 under autocast too."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.shared = convolution(width, width)
        self.centres = nn.Conv2d(width, classes, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.centres.bias, -math.log(1 / _PRIOR - 1))
        nn.init.constant_(self.sides.bias, math.log(4))  # boxes begin as 32 pixels square

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits, and distances of left, top, right and bottom side from the cell's middle, positive, in cells."""
        features = self.shared(features)
        # The exponential makes an error of a tenth the same step for small boxes and for large ones.
        return self.centres(features).float(), self.sides(features).float().clamp(max=7).exp()


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution, BatchNorm and, if wanted, ReLU. BatchNorm has a bias of its own."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), BatchNorm(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class _Cells(nn.Module):
    """Frames (B, 3, H, W), 0 to 1, to the boxes (B, n, 4) of all cells and their scores (B, n, classes)."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, sides = self.network(images * 255)
        return boxes_of(sides), peaks_of(scores).flatten(2).transpose(1, 2)


def peaks_of(scores: torch.Tensor) -> torch.Tensor:
    """Logits (B, classes, h, w) as scores, 0 in cells that are no likelier a centre than their eight neighbours."""
    # Logits still differ where scores have come so near to 1 that they no longer do.
    return scores.sigmoid() * (scores == functional.max_pool2d(scores, 3, stride=1, padding=1))


def boxes_of(sides: torch.Tensor) -> torch.Tensor:
    """Sides (B, 4, h, w) in cells as boxes (B, h * w, 4) x1 y1 x2 y2 in pixels, row by row."""
    height, width = sides.shape[-2:]
    x = torch.arange(width, device=sides.device).expand(height, width) + 0.5
    y = torch.arange(height, device=sides.device)[:, None].expand(height, width) + 0.5
    left, top, right, bottom = sides.unbind(1)
    return CELL * torch.stack([x - left, y - top, x + right, y + bottom], dim=-1).flatten(1, 2)


def centre_cells(boxes: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Column and row, each (N,), of the cell that holds the centre of each box."""
    centre = ((boxes[:, :2] + boxes[:, 2:]) / 2 / CELL).long()
    return centre[:, 0].clamp(0, width - 1), centre[:, 1].clamp(0, height - 1)


def centre_targets(batch: Batch, shape: torch.Size) -> torch.Tensor:
    """(B, classes, h, w): 1 in the cell of each object's centre, falling off around it as a Gaussian.

    The Gaussian is as wide and as high as the object's box asks for: a cell beside the centre of a large object is
    nearly as good. Where objects overlap, the larger value counts.
    """
    classes, height, width = shape
    column, row = centre_cells(batch.boxes, height, width)
    spread = _SPREAD * (batch.boxes[:, 2:] - batch.boxes[:, :2]).clamp(min=CELL) / CELL  # (N, 2), in cells
    cells = [torch.arange(length, device=batch.boxes.device) for length in (width, height)]
    across = torch.exp(-((cells[0] - column[:, None]) ** 2) / (2 * spread[:, :1] ** 2))  # (N, w)
    down = torch.exp(-((cells[1] - row[:, None]) ** 2) / (2 * spread[:, 1:] ** 2))  # (N, h)
    heat = across.new_zeros(len(batch) * classes, height * width)
    for plane in (place := batch.frame * classes + batch.classes).unique().tolist():
        own = place == plane
        for a, d in zip(across[own].split(64), down[own].split(64), strict=True):  # 64 at a time, for memory
            heat[plane] = heat[plane].maximum((d[:, :, None] * a[:, None, :]).amax(0).flatten())
    return heat.view(len(batch), classes, height, width)


def focal_loss(scores: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """CenterNet's focal loss (its equation 1, alpha 2 and beta 4), for each number of (B, classes, h, w).

    -(1 - p)^2 log p at centres, and -(1 - heat)^4 p^2 log(1 - p) elsewhere: cells that are sure and right cost
    nothing, so that the few centres are heard among thousands of empty cells; and near a centre a false alarm costs
    less.
    """
    p = scores.sigmoid()
    centre = -((1 - p) ** 2) * functional.logsigmoid(scores)
    elsewhere = -((1 - heat) ** 4) * p**2 * functional.logsigmoid(-scores)
    return torch.where(heat == 1, centre, elsewhere)


def owners(batch: Batch, height: int, width: int) -> torch.Tensor:
    """(B * h * w,) which box each cell has to frame, or N where none.

    A box owns the three by three cells around its centre that lie inside it (FCOS' centre sampling), and the one of
    its centre in any case; of several owners the smallest counts.
    """
    column, row = centre_cells(batch.boxes, height, width)
    nearby = torch.tensor([-1, 0, 1], device=batch.boxes.device)
    x = column[:, None, None] + nearby.view(1, 1, 3)  # (N, 1, 3)
    y = row[:, None, None] + nearby.view(1, 3, 1)
    x1, y1, x2, y2 = (side.view(-1, 1, 1) / CELL for side in batch.boxes.unbind(1))
    inside = (x + 0.5 > x1) & (x + 0.5 < x2) & (y + 0.5 > y1) & (y + 0.5 < y2)
    inside[:, 1, 1] = True
    inside &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    cells = (batch.frame.view(-1, 1, 1) * height + y) * width + x  # (N, 3, 3)
    areas = (batch.boxes[:, 2:] - batch.boxes[:, :2]).prod(1)
    order = areas.argsort(stable=True)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    least = torch.full((len(batch) * height * width,), len(order), device=order.device)
    least.scatter_reduce_(0, cells[inside], rank.view(-1, 1, 1).expand_as(inside)[inside], "amin")
    return torch.cat([order, order.new_tensor([len(order)])])[least]


def _box_loss(sides: torch.Tensor, batch: Batch) -> torch.Tensor:
    """GIoU loss (arXiv:1902.09630), a mean over each frame's owned cells and then over frames."""
    height, width = sides.shape[-2:]
    owner = owners(batch, height, width)
    cells = torch.nonzero(owner < len(batch.boxes)).flatten()
    predicted = boxes_of(sides).flatten(0, 1)[cells]
    losses = generalized_box_iou_loss(predicted, batch.boxes[owner[cells]])
    frame = cells // (height * width)
    share = 1 / torch.bincount(frame, minlength=len(batch)).clamp(min=1)
    return (losses * share[frame]).sum() / len(batch)
