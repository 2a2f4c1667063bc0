"""Small sources and mixtures in the working directory, made by hand, to be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning
from stages.params import Params, load_params
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import SOURCES, write_index
from tests.footage import HEIGHT, WIDTH, Project, picture

LABELS = {1: "pedestrian", 3: "car", 13: "crowd"}
CLASSES = {"pedestrian": "person", "car": "car", "crowd": "region"}


def params() -> Params:
    """Params with a source `tiny` and the classes person and car."""
    Project(Path()).write_params(tiny={"path": "in", "classes": CLASSES})
    return load_params()


def write_source(
    sequences: dict[str, tuple[str, int, list[tuple]]], fps: float = 10, labels: dict[int, str] = LABELS
) -> None:
    """Write the source `tiny`: each sequence's split, length in frames and rows of ground truth."""
    rows = []
    for name, (split, length, boxes) in sequences.items():
        info = SequenceInfo(name, fps, WIDTH, HEIGHT, length)
        gt = np.array(boxes, dtype=float).reshape(-1, 9)
        write_archive(SOURCES / "tiny" / f"{name}.zip", info, (picture(n) for n in range(1, length + 1)), gt)
        row = {"sequence": name, "split": split, "frames": length, "fps": fps, "width": WIDTH, "height": HEIGHT}
        rows.append(row | {"boxes": len(boxes), "ids": 1, "sha256": "0"})
    write_index(SOURCES / "tiny", rows, labels)


def row(frame: int, track: int, left: float, top: float, width: float, height: float, **other: float) -> tuple:
    """A row of ground truth; class 1, wholly visible, if not said otherwise."""
    return (frame, track, left, top, width, height, 1, other.get("label", 1), other.get("visibility", 1))


def walker(frames: range, track: int = 1, step: float = 5, **other: float) -> list[tuple]:
    """A box of 10 x 20 pixels that moves ``step`` pixels to the right in every frame."""
    return [row(n, track, 2 + step * (n - frames[0]), 10, 10, 20, **other) for n in frames]


def manifest(min_visibility: float = 0.0, source: str = "tiny") -> Manifest:
    """A mixture's manifest over the source `tiny`."""
    meanings = {source: SourceMeaning(LABELS, CLASSES, {})}
    return Manifest(("person", "car"), (source,), min_visibility, meanings)


def clip(sequence: str, *frames: int, source: str = "tiny") -> Clip:
    """A training clip."""
    return Clip(source, sequence, "train", frames, 0.5)
