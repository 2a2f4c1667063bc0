"""Crops on disk in the layout of Market-1501 (Zheng et al., ICCV 2015, "Scalable Person Re-identification").

data/crops/NAME/ holds the folders bounding_box_train, query and bounding_box_test (the gallery), with files such as
0012_c2s5_000031_00.jpg: identity 12, camera 2, sequence 5, frame 31. Numbers count from 1; an identity has the same one
in every folder. crops.csv beside them says of each file which box of which sequence it is.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stages.appearance.selecting import Crop
from stages.appearance.views import View
from stages.errors import InputError
from stages.files import write_table
from stages.sequences.index import SOURCES, open_sequence

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
COLUMNS = ["folder", "file", "source", "sequence", "frame", "class", "id", "camera", "x1", "y1", "x2", "y2"]
_QUALITY = 95  # of the JPEG files
_NAME = re.compile(r"(\d+)_c(\d+)s(\d+)_(\d+)_(\d+)\.jpg")


@dataclass(frozen=True)
class Shot:
    """A crop on disk."""

    path: Path
    identity: int
    camera: int


def write_crops(
    folder: Path, parts: Mapping[str, list[Crop]], classes: tuple[str, ...], root: Path = SOURCES
) -> dict[str, int]:
    """Cut out and write the crops of every part (a folder's name); returns how many identities each has."""
    names = _names([crop for crops in parts.values() for crop in crops])
    by_view: dict[View, dict[int, list[tuple[Crop, Path]]]] = defaultdict(lambda: defaultdict(list))
    rows = []
    for part, crops in parts.items():
        (folder / part).mkdir(parents=True)
        for crop in crops:
            by_view[crop.view][crop.frame].append((crop, folder / part / names[crop]))
            rows.append(_row(part, names[crop], crop, classes))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda item: _cut(*item, root), by_view.items()))
    write_table(folder / "crops.csv", COLUMNS, sorted(rows, key=lambda row: (row["folder"], row["file"])))
    return {part: len({crop.identity for crop in crops}) for part, crops in parts.items()}


def _names(crops: list[Crop]) -> dict[Crop, str]:
    """Every crop's file name; identities, cameras and sequences are numbered in the order of ``crops``."""
    identities, cameras = _numbers(crop.identity for crop in crops), _numbers(sorted({crop.camera for crop in crops}))
    views = _numbers(crop.view for crop in crops)
    return {
        crop: f"{identities[crop.identity]:04d}_c{cameras[crop.camera]}s{views[crop.view]}_{crop.frame:06d}_00.jpg"
        for crop in crops
    }


def _numbers(items: Iterable) -> dict:
    result: dict = {}
    for item in items:
        result.setdefault(item, len(result) + 1)
    return result


def _row(part: str, name: str, crop: Crop, classes: tuple[str, ...]) -> dict:
    _, label, number = crop.identity
    place = {"source": crop.view.source, "sequence": crop.view.sequence, "frame": crop.frame, "camera": crop.camera}
    box = dict(zip(("x1", "y1", "x2", "y2"), crop.box, strict=True))
    return {"folder": part, "file": name, "class": classes[label], "id": number} | place | box


def _cut(view: View, frames: dict[int, list[tuple[Crop, Path]]], root: Path) -> None:
    """Write one sequence's crops; each frame is decoded once."""
    import cv2

    sequence = open_sequence(view.source, view.sequence, root)
    for number, crops in sorted(frames.items()):
        image = sequence.frame(number)
        for crop, path in crops:
            x1, y1, x2, y2 = crop.box
            _, encoded = cv2.imencode(".jpg", image[y1:y2, x1:x2], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            path.write_bytes(encoded.tobytes())
    sequence.close()


def read_shots(folder: Path) -> list[Shot]:
    """The crops in one of the three folders, by name; raises `InputError` for a file that is not named like one."""
    shots = []
    for path in sorted(folder.glob("*.jpg")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise InputError(str(path), "not named as Market-1501 names crops", "delete it and run `dvc repro reid`")
        shots.append(Shot(path, int(match[1]), int(match[2])))
    return shots
