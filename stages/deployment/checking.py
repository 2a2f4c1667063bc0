"""Holds an exported file against PyTorch on real frames: boxes within 0.1 px of the input, scores within 0.001.

Two comparisons. What the file gives against what the traced module gives in PyTorch: anchor by anchor where candidates
keep their places, else each candidate that scores enough against its nearest of the same class, both ways. And every
detection of `Detector.predict`, after its suppression, against the file's candidates: the traced module is no judge of
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from stages.deployment.description import fixed_side
from stages.deployment.real_frames import RealFrame
from stages.detectors.base import Detector, Exportable
from stages.detectors.frames import GREY, resized, stacked
from stages.errors import InputError
from stages.params.model import Detection

BOX_TOLERANCE = 0.1  # pixels of the input
SCORE_TOLERANCE = 1e-3

Outputs = tuple[torch.Tensor, ...]
Run = Callable[[torch.Tensor], Outputs]  # (B, 3, H, W) float32, 0 to 1, to what `Exportable` says
Gap = tuple[float, float]  # of boxes in pixels, of scores
Candidates = tuple[torch.Tensor, torch.Tensor]  # of one frame: boxes (n, 4), scores (n, classes)


@dataclass(frozen=True)
class Difference:
    """The largest differences found, and over what; infinite where something of the one is not in the other."""

    frames: tuple[str, ...]
    detections: tuple[int, ...]  # of each frame
    inputs: tuple[tuple[int, ...], ...]  # the shapes that the file was run on
    box: float  # pixels of the input
    score: float

    @property
    def small(self) -> bool:
        """Whether the file may be kept."""
        return self.box <= BOX_TOLERANCE and self.score <= SCORE_TOLERANCE


def summary(difference: Difference) -> str:
    """One line for people."""
    found = f"{sum(difference.detections)} detections on {len(difference.frames)} frames"
    if not any(difference.detections):
        found += " (the check says little of a checkpoint that finds nothing)"
    return f"{found}, boxes within {difference.box:.1e} px of PyTorch's, scores within {difference.score:.1e}"


def check(
    run: Run, detector: Detector, exportable: Exportable, image_size: int, frames: list[RealFrame], limits: Detection
) -> Difference:
    """Run a file on every frame alone and, where it takes batches, on three together."""
    counts, shapes, gaps = [], [], []
    classes = len(detector.architecture.classes)
    for group in _groups(frames, exportable):
        images = input_of([frame.image for frame in group], image_size, detector.stride, exportable)
        scaled = images.float() / 255
        with torch.no_grad():
            given, wanted = _attempt(run, scaled), exportable.module(scaled)
        found = detector.predict(images, limits.min_score, limits.nms_iou, limits.max_objects)
        gaps.append(_from_module(given, wanted, exportable, limits, classes))
        for rows, other in zip(found, _by_frame(given, classes), strict=True):
            gaps.append(_gap(rows[rows[:, 4] >= _lowest(rows[:, 4], exportable, limits)], other))
        counts += [len(found[0])] if len(group) == 1 else []
        shapes.append(tuple(images.shape))
    names = tuple(frame.name for frame in frames)
    return Difference(names, tuple(counts), tuple(dict.fromkeys(shapes)), *_worst(gaps))


def _attempt(run: Run, images: torch.Tensor) -> Outputs:
    try:
        return run(images)
    except Exception as error:  # each runtime has exceptions of its own
        reason = " ".join(str(error).split())[:200]
        what = f"the file cannot be run on {tuple(images.shape)} ({reason})"
        raise InputError("export", what, "choose another target with --to") from None


def _groups(frames: list[RealFrame], exportable: Exportable) -> list[list[RealFrame]]:
    alone = [[frame] for frame in frames]
    return [*alone, [frames[0], frames[len(frames) // 2], frames[-1]]] if "batch" in exportable.varies else alone


def input_of(frames: list[np.ndarray], image_size: int, stride: int, exportable: Exportable) -> torch.Tensor:
    """(B, 3, H, W) uint8; the whole square where the graph takes no other size."""
    images = stacked([resized(frame, image_size) for frame in frames], stride)
    if "height" in exportable.varies:
        return images
    side = fixed_side(image_size, stride)
    return functional.pad(images, (0, side - images.shape[3], 0, side - images.shape[2]), value=GREY)


def _from_module(given: Outputs, wanted: Outputs, exportable: Exportable, limits: Detection, classes: int) -> Gap:
    if exportable.yields == "anchors":
        if [tensor.shape for tensor in given] != [tensor.shape for tensor in wanted]:
            return math.inf, math.inf
        return tuple(_largest(one - other) for one, other in zip(given, wanted, strict=True))
    pairs = list(zip(_by_frame(given, classes), _by_frame(wanted, classes), strict=True))
    pairs += [(other, one) for one, other in pairs]
    return _worst([_gap(_sure(one, exportable, limits), other) for one, other in pairs])


def _by_frame(outputs: Outputs, classes: int) -> list[Candidates]:
    """Outputs frame by frame; detections have a score of minus infinity for all classes but their own."""
    if len(outputs) == 2:
        return list(zip(*outputs, strict=True))
    boxes, scores, numbers = outputs
    table = torch.full((len(boxes), classes), -math.inf)
    table[torch.arange(len(boxes)), numbers] = scores
    return [(boxes, table)]


def _sure(candidates: Candidates, exportable: Exportable, limits: Detection) -> torch.Tensor:
    """(k, 6) boxes, score and class of what scores enough."""
    boxes, scores = candidates
    lowest = _lowest(scores.amax(1), exportable, limits)
    places, numbers = torch.nonzero(scores >= lowest, as_tuple=True)
    return torch.cat([boxes[places], scores[places, numbers, None], numbers[:, None]], dim=1)


def _lowest(scores: torch.Tensor, exportable: Exportable, limits: Detection) -> float:
    """The lowest score that something is compared at, of a frame's ``scores``.

    A difference within tolerance may put what ends a list of detections into it or out of it.
    """
    if exportable.yields != "detections":
        return limits.min_score
    full = len(scores) >= limits.max_objects
    return SCORE_TOLERANCE + (float(scores.min()) if full else limits.min_score)


def _gap(rows: torch.Tensor, candidates: Candidates) -> Gap:
    """How far the worst placed of ``rows`` (k, 6) is from its nearest candidate, near in both box and score."""
    boxes, scores = candidates
    if len(rows) == 0:
        return 0.0, 0.0
    if len(boxes) == 0:
        return math.inf, math.inf
    return _worst([_nearest(some, boxes, scores) for some in rows.split(64)])  # at a time, for memory


def _nearest(rows: torch.Tensor, boxes: torch.Tensor, scores: torch.Tensor) -> Gap:
    box = (rows[:, None, :4] - boxes).abs().amax(2)  # (k, n)
    score = (rows[:, 4:5] - scores[:, rows[:, 5].long()].T).abs()  # (k, n)
    nearest = torch.maximum(box / BOX_TOLERANCE, score / SCORE_TOLERANCE).argmin(1, keepdim=True)
    return _largest(box.gather(1, nearest)), _largest(score.gather(1, nearest))


def _largest(difference: torch.Tensor) -> float:
    """The largest absolute value; what is not a number is infinitely far."""
    return float(difference.abs().nan_to_num(math.inf, math.inf).max()) if difference.numel() else 0.0


def _worst(gaps: list[Gap]) -> Gap:
    return tuple(max((gap[place] for gap in gaps), default=0.0) for place in (0, 1))
