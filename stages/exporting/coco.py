"""COCO detection JSON: `annotations/SPLIT.json`, and frames under `images/`.

Every frame is an image by itself: COCO holds no frame rate, no order of frames and no ids (`coco_video` does). Boxes
and classes are exact, in gt.txt's ten digits; category ids are the source's class numbers. Confidence and visibility go
into `mot_conf` and `visibility`, where MMTracking has them and other tools do not look: to those, a box with confidence
0 is one like the others. A box of the class `crowd` gets `iscrowd`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from stages.exporting.material import Item, Material, plain
from stages.files import write_text
from stages.sequences.annotations import CLASS, CONFIDENCE, HEIGHT, LEFT, VISIBILITY, WIDTH

_CROWD = "crowd"


def write(material: Material, folder: Path) -> None:
    """Write all frames and one JSON file a split to ``folder``."""
    for split in material.splits:
        image_ids, annotation_ids = count(1), count(1)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for item in material.items(split):
            item.write_frames(folder / "images")
            for image, boxes in frames_of(item, material.labels, image_ids, annotation_ids):
                images.append(image)
                annotations += [box for _, box in boxes]
        write_lists(folder, split, material, images=images, annotations=annotations)


def frames_of(
    item: Item, labels: dict[int, str], image_ids: Iterator[int], annotation_ids: Iterator[int]
) -> Iterator[tuple[dict[str, Any], list[tuple[np.ndarray, dict[str, Any]]]]]:
    """Every frame as COCO's image, with its rows of gt (9,) as COCO's annotations."""
    for frame, rows in item.by_frame():
        image = {"id": next(image_ids), "file_name": item.frame_files[frame - 1]}
        image |= {"width": item.info.width, "height": item.info.height}
        yield image, [(row, _annotation(row, labels, next(annotation_ids), image["id"])) for row in rows]


def _annotation(row: np.ndarray, labels: dict[int, str], number: int, image: int) -> dict[str, Any]:
    category = int(row[CLASS])
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [plain(value) for value in row[LEFT : HEIGHT + 1]],
        "area": plain(row[WIDTH] * row[HEIGHT]),
        "iscrowd": int(labels[category] == _CROWD),
        "mot_conf": plain(row[CONFIDENCE]),
        "visibility": plain(row[VISIBILITY]),
    }


def write_lists(folder: Path, split: str, material: Material, **lists: list[dict[str, Any]]) -> None:
    """Write `annotations/SPLIT.json`: the categories and ``lists``, an object a line."""
    lists["categories"] = [{"id": number, "name": material.labels[number]} for number in sorted(material.labels)]
    parts = []
    for key, items in lists.items():
        parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]")
    write_text(folder / "annotations" / f"{split}.json", "{" + ",\n".join(parts) + "}\n")
