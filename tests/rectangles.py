"""A project of two sources whose frames show a red and a blue rectangle: small enough to train on within a test."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import yaml

from stages.files import sha256_of
from stages.params import Params, load_params
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index

SIZE = 64
CLASSES = {"pedestrian": "person", "car": "car", "distractor": "distractor", "crowd": "region"}

# Three layers, detection at strides 8 and 16: some 20,000 parameters.
TINY_MODEL = """\
nc: 80
backbone:
  - [-1, 1, Conv, [8, 3, 4]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [-1, 1, Conv, [16, 3, 2]]
  - [[1, 2], 1, Detect, [nc]]
"""


def boxes_of(frame: int, offset: int = 0) -> np.ndarray:
    """(2, 4) left, top, width, height of the red person and the blue car in ``frame`` (from 1)."""
    return np.array([[2 + (3 * frame + offset) % 40, 6, 12, 24], [44 - (4 * frame + offset) % 40, 40, 20, 14]])


def picture(frame: int, offset: int = 0) -> np.ndarray:
    """The frame, (64, 64, 3) uint8 blue-green-red."""
    image = np.full((SIZE, SIZE, 3), (90, 140, 90), np.uint8)
    for (left, top, width, height), colour in zip(boxes_of(frame, offset), [(20, 20, 230), (230, 60, 20)], strict=True):
        image[top : top + height, left : left + width] = colour
    return image


def ground_truth(frames: int, offset: int = 0, classes: tuple[int, ...] = (1, 3), second_every: int = 1) -> np.ndarray:
    """(N, 9): one object of each of ``classes`` in every frame, ids from 1; the second is half hidden in even ones.

    The second is annotated in every ``second_every``-th frame only.
    """
    rows = [
        [frame, number, *boxes_of(frame, offset)[number - 1], 1, native, 0.5 if number == 2 and frame % 2 == 0 else 1]
        for frame in range(1, frames + 1)
        for number, native in enumerate(classes, 1)
        if number != 2 or frame % second_every == 0
    ]
    return np.array(rows, np.float64)


def write_source(root: Path, name: str, sequences: Mapping[str, tuple[str, int, float]], **gt: object) -> None:
    """Write `data/sources/NAME/` below ``root``; ``sequences`` gives each one's split, frames and fps."""
    folder, rows = root / "data/sources" / name, []
    for offset, (sequence, (split, frames, fps)) in enumerate(sequences.items()):
        info = SequenceInfo(sequence, fps, SIZE, SIZE, frames)
        images = (cv2.imencode(".jpg", picture(frame, 7 * offset))[1].tobytes() for frame in range(1, frames + 1))
        truth = ground_truth(frames, 7 * offset, **gt)
        write_archive(folder / f"{sequence}.zip", info, images, truth)
        rows.append(
            {"sequence": sequence, "split": split, "frames": frames, "fps": fps, "width": SIZE, "height": SIZE}
            | {"boxes": len(truth), "ids": 2, "sha256": sha256_of(folder / f"{sequence}.zip")}
        )
    write_index(folder, rows, MOTCHALLENGE_LABELS)


_SOURCE = {
    "format": "motchallenge",
    "path": "nowhere",
    "classes": CLASSES,
    "splits": {"train": 0.4, "val": 0.3, "test": 0.3},
}
_STAGE = {
    "mixture": {"sources": {"street": {"frames": 8}}, "validation_frames": 4},
    "epochs": 2,
    "lr": 0.002,
    "augment": {"flip": 0.5},
    "memory": {"batch": 4, "image_size": 64},
}
_STAGE2 = copy.deepcopy(_STAGE) | {
    "mixture": {"sources": {"air": {"frames": 6}}, "replay": 0.25, "validation_frames": 4}
}
PARAMS: dict = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {"street": _SOURCE, "air": _SOURCE},
    "detector": {"family": "yolo", "model": "tiny.yaml"},
    "weights": {"path": "scratch"},
    "curriculum": {"stage1": {"after": "pretrained"}, "stage2": {"after": "stage1"}},
    "stage1": _STAGE,
    "stage2": _STAGE2,
    "evaluation": {"checkpoints": ["stage1"], "detection": {}},
    "trackers": {"bytetrack": {"type": "bytetrack"}},
}


def write_params(folder: Path, changes: Mapping[str, object] | None = None) -> Params:
    """Write params.yaml (and tiny.yaml beside it) with ``changes`` at dotted keys; returns what it says."""
    params = json.loads(json.dumps(PARAMS))  # so that no block is shared
    for place, value in (changes or {}).items():
        *parents, key = place.split(".")
        block = params
        for parent in parents:
            block = block.setdefault(parent, {})
        block[key] = value
    (folder / "tiny.yaml").write_text(TINY_MODEL)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return load_params(folder / "params.yaml")
