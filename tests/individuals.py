"""A source whose individuals can be told apart by the colours of their two halves: small enough to learn in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from stages.files import sha256_of
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import write_index

WIDTH, HEIGHT = 128, 96
TALL, WIDE = 32, 14  # pixels of one of them


def boxes_at(frame: int, count: int) -> np.ndarray:
    """(count, 4) left, top, width, height: they stand side by side and sway."""
    left = 4 + np.arange(count) * (WIDE + 4) + frame % 3
    return np.stack([left, np.full(count, 20 + frame % 5), np.full(count, WIDE), np.full(count, TALL)], axis=1)


def colours_of(identity: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The upper and the lower half's, blue-green-red; no two identities below 64 have the same."""
    levels = (30, 110, 180, 250)
    return (levels[identity % 4], 60, levels[identity // 4 % 4]), (40, levels[identity // 16 % 4], 200 - identity)


def picture(frame: int, identities: list[int]) -> np.ndarray:
    """A frame, (96, 128, 3) uint8 blue-green-red."""
    noise = np.random.default_rng(frame).integers(0, 25, (HEIGHT, WIDTH, 3))
    image = (100 + noise).astype(np.uint8)
    for (left, top, width, height), number in zip(boxes_at(frame, len(identities)), identities, strict=True):
        upper, lower = colours_of(number)
        image[top : top + height // 2, left : left + width] = upper
        image[top + height // 2 : top + height, left : left + width] = lower
    return image


def ground_truth(frames: int, identities: list[int], label: int = 1) -> np.ndarray:
    """(N, 9), see `annotations.parse_gt`."""
    rows = [
        [frame, number, *box, 1, label, 1]
        for frame in range(1, frames + 1)
        for number, box in zip(identities, boxes_at(frame, len(identities)), strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 9)


def write_individuals(
    root: Path, name: str, sequences: Mapping[str, tuple[str, int, list[int]]], label: int = 1
) -> None:
    """Write `data/sources/NAME/` below ``root``: every sequence's split, frames and identities (6 at most)."""
    folder, rows = root / "data/sources" / name, []
    for sequence, (split, frames, identities) in sequences.items():
        info = SequenceInfo(sequence, 10.0, WIDTH, HEIGHT, frames)
        pictures = (cv2.imencode(".png", picture(frame, identities))[1].tobytes() for frame in range(1, frames + 1))
        write_archive(folder / f"{sequence}.zip", info, pictures, ground_truth(frames, identities, label))
        row = {"sequence": sequence, "split": split, "frames": frames, "fps": 10.0, "width": WIDTH, "height": HEIGHT}
        counts = {"boxes": frames * len(identities), "ids": len(identities)}
        rows.append(row | counts | {"sha256": sha256_of(folder / f"{sequence}.zip")})
    write_index(folder, rows, MOTCHALLENGE_LABELS)


# Two sequences to learn from, one to be tested on; identities are local to each.
SEQUENCES = {"a": ("train", 6, [1, 2, 3, 4, 5, 6]), "b": ("train", 6, [17, 22, 27, 32]), "c": ("test", 6, [9, 38, 51])}
REID = {"sources": ["street"], "image_size": [64, 32], "epochs": 2, "identities": 4, "crops": 2, "lr": 1.0e-3}
