"""Random changes to training frames; every clip has its own generator, so the result depends on nothing else."""

from __future__ import annotations

import cv2
import numpy as np

from stages.detectors.frames import GREY
from stages.mixtures.clips import Targets
from stages.params.stage import Augment

_LEAST_SIDE = 2.0  # pixels: a smaller piece of an object at the border is no target
_LEAST_SHARE = 0.1  # of an object's area that must stay in the frame


def augment_clip(
    frames: list[np.ndarray], targets: list[Targets], settings: Augment, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[Targets]]:
    """Flip, zoom, shift and recolour a clip, all of its frames alike."""
    height, width = frames[0].shape[:2]
    matrix = _geometry(width, height, settings, rng)
    tables = _colour_tables(settings.colour, rng)
    moved = [
        cv2.warpAffine(_recolour(frame, tables), matrix, (width, height), borderValue=(GREY,) * 3) for frame in frames
    ]
    return moved, [move_targets(target, matrix, width, height) for target in targets]


def _geometry(width: int, height: int, settings: Augment, rng: np.random.Generator) -> np.ndarray:
    """The 2 x 3 matrix of a flip, then a zoom about the centre, then a shift."""
    zoom = 1 + settings.scale * rng.uniform(-1, 1)
    shift = settings.translate * rng.uniform(-1, 1, 2) * (width, height)
    flip = -1.0 if rng.random() < settings.flip else 1.0
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    linear = np.diag([flip * zoom, zoom])
    return np.hstack([linear, (centre + shift - linear @ centre)[:, None]])


def move_targets(targets: Targets, matrix: np.ndarray, width: int, height: int) -> Targets:
    """Targets under ``matrix`` (2 x 3, no rotation), cut to the frame; what is left of it too little is dropped."""
    boxes = _move(targets.boxes, matrix)
    inside = boxes.clip(0, np.float32([width, height, width, height]))
    kept = _visible(boxes, inside)
    return Targets(
        boxes=inside[kept],
        classes=targets.classes[kept],
        identities=targets.identities[kept],
        distractors=_move(targets.distractors, matrix),
        regions=_move(targets.regions, matrix),
    )


def _move(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    scale, shift = np.diag(matrix[:, :2]), matrix[:, 2]
    # Pixel centres are whole numbers to OpenCV; a box's edges lie half a pixel off.
    points = (boxes.reshape(-1, 2, 2) - 0.5) * scale + shift + 0.5
    return np.concatenate([points.min(1), points.max(1)], axis=1).astype(np.float32)


def _visible(boxes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    sides = inside[:, 2:] - inside[:, :2]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return (sides.min(1) >= _LEAST_SIDE) & (np.prod(sides, axis=1) >= _LEAST_SHARE * area)


def _colour_tables(strength: float, rng: np.random.Generator) -> tuple[np.ndarray, ...] | None:
    """Look-up tables for hue, saturation and value, or None where nothing changes."""
    draw = rng.uniform(-1, 1, 3) * strength * (0.04, 1.0, 0.8)
    if not strength:
        return None
    levels = np.arange(256)
    hue = ((levels + draw[0] * 180) % 180).astype(np.uint8)  # OpenCV's hue is 0 to 179
    return hue, *((levels * (1 + gain)).clip(0, 255).astype(np.uint8) for gain in draw[1:])


def _recolour(frame: np.ndarray, tables: tuple[np.ndarray, ...] | None) -> np.ndarray:
    if tables is None:
        return frame
    channels = cv2.split(cv2.cvtColor(frame, cv2.COLOR_BGR2HSV))
    changed = [cv2.LUT(channel, table) for channel, table in zip(channels, tables, strict=True)]
    return cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2BGR)
