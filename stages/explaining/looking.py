"""One frame as a detector sees it: the boxes that it weighed, their scores, and where a score came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import nn

from stages.explaining.boxes import iou_with
from stages.explaining.heat import eigen_heat, grad_cam, gradient_heat, in_use, read_layer, recorded

FOUND = 0.5  # IoU from which a box is where another one is: what CLEAR's matching asks for
NEAR = 0.1  # and from which it is near


class Network(Protocol):
    """What is asked of a detector, see `stages.detectors.base.Detector`."""

    network: nn.Module
    heat_by: str

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """All boxes that are weighed for a class, and their scores."""

    def heat_layers(self) -> list[str]:
        """Names of the layers whose maps are looked at."""

    def padded(self, images: torch.Tensor) -> torch.Tensor:
        """Frames with all that the network itself adds."""


# A frame (H, W, 3) to the network's input (1, 3, h, w), and the width and height that the frame has in it.
Prepare = Callable[[np.ndarray], tuple[torch.Tensor, tuple[int, int]]]


@dataclass(frozen=True)
class Heat:
    """Where a score came from: ``map`` (H, W) float32 over the frame's pixels, 0 or more, with the sum 1 or all 0."""

    map: np.ndarray
    method: str  # see `stages.explaining.heat`


class Sight:
    """What a detector weighed in one frame for one class.

    ``boxes`` (n, 4) x1 y1 x2 y2 in the frame's pixels, cut at its borders; ``scores`` (n,) 0 to 1.
    """

    def __init__(self, detector: Network, prepare: Prepare, frame: np.ndarray, label: int):
        self._detector, self._label = detector, label
        image, self._inner = prepare(frame)
        self._frame = frame.shape[1::-1]
        # A gradient on the image makes maps have one too, whether or not a network's weights are frozen.
        self._image = detector.padded(image.float()).requires_grad_()
        with in_use(detector), recorded(detector.network, detector.heat_layers()) as self._maps:
            boxes, self._scores = detector.candidates(self._image, label)
        factor = np.array(self._frame * 2) / np.array(self._inner * 2)
        boxes = boxes.detach().cpu().numpy().astype(np.float64) * factor
        self.boxes = boxes.clip(0, np.array(self._frame * 2))
        self.scores = self._scores.detach().cpu().numpy().astype(np.float64)

    def best_near(self, box: np.ndarray) -> int | None:
        """Of the candidates at ``box`` (IoU at least `FOUND`) the best scored; else the nearest, None beyond `NEAR`."""
        overlap = iou_with(box, self.boxes)
        at_box = np.flatnonzero(overlap >= FOUND)
        if len(at_box):
            return int(at_box[np.argmax(self.scores[at_box])])
        return int(np.argmax(overlap)) if overlap.max(initial=0) >= NEAR else None

    @torch.enable_grad()
    def heat(self, place: int | None) -> Heat:
        """Where the score of candidate ``place`` came from; for none of them, and without gradient, the eigen map."""
        if place is not None:
            found = self._by_class(place) if self._detector.heat_by == "grad-cam" else self._by_cell(place)
            warm = self._of_frame(found) if found is not None else None
            if warm is not None and warm.any():
                return Heat(warm, self._detector.heat_by)
        return Heat(self._of_frame(eigen_heat(self._all_maps(), self._size())), "eigen")

    def _by_cell(self, place: int) -> torch.Tensor:
        return gradient_heat(self._scores[place], self._all_maps(), self._size())

    def _by_class(self, place: int) -> torch.Tensor | None:
        name = read_layer(self._scores[place], self._maps)
        if name is None:
            return None
        layer = self._detector.network.get_submodule(name)
        with in_use(self._detector):
            return grad_cam(
                lambda image: self._detector.candidates(image, self._label)[1][place, None],
                self._image.detach().requires_grad_(),
                layer,
                self._size(),
            )

    def _all_maps(self) -> list[torch.Tensor]:
        return [each for maps in self._maps.values() for each in maps]

    def _size(self) -> tuple[int, int]:
        return tuple(self._image.shape[-2:])

    def _of_frame(self, heat: torch.Tensor) -> np.ndarray:
        """Of heat over the network's input that over the frame, whose sum becomes 1; no numbers become 0."""
        width, height = self._inner
        inner = heat[:height, :width].nan_to_num(0.0, 0.0, 0.0).numpy()
        warm = np.maximum(cv2.resize(inner, self._frame, interpolation=cv2.INTER_LINEAR), 0)
        total = float(warm.sum(dtype=np.float64))
        return warm / np.float32(total) if total > 0 else warm
