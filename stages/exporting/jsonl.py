"""JSON Lines as `formats.jsonl` reads them: `SPLIT.jsonl`, one frame a line, and frames under `images/`.

Sides are shares of the frame's size with 12 decimals, within 1e-8 px. Holds everything but the class numbers: names
take their place. A box that is more than the frame's size over its edge is cut there; one that lies wholly beyond that
is left out. stderr says how many.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.exporting.material import Item, Material, plain
from stages.files import replacing
from stages.sequences.annotations import CLASS, CONFIDENCE, HEIGHT, ID, LEFT, VISIBILITY

_SIDES = ("x_min_normalized", "y_min_normalized", "x_max_normalized", "y_max_normalized")
_FROM, _TO = -1.0, 2.0  # what a side may be
_CROWD = "crowd"


def write(material: Material, folder: Path) -> None:
    """Write all frames and one file a split to ``folder``."""
    cut = 0
    for split in material.splits:
        with replacing(folder / f"{split}.jsonl") as partial, partial.open("w", encoding="utf-8") as file:
            for item in material.items(split):
                item.write_frames(folder / "images")
                for line, changed in _lines(item, material):
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    cut += changed
    if cut:
        what = f"{cut} boxes cut or left out, for they reach more than a frame's size over its edge"
        print(f"warning: {material.name}: {what}", file=sys.stderr)


def _lines(item: Item, material: Material) -> Iterator[tuple[dict[str, Any], int]]:
    """Every frame's line, and how many of its boxes are not as they were."""
    info, size = item.info, np.array([item.info.width, item.info.height])
    for (frame, rows), file in zip(item.by_frame(), item.frame_files, strict=True):
        line: dict[str, Any] = {"image_path": f"images/{file}"}
        if not material.stills:
            time = round((frame - 1) / info.fps, 9)
            line |= {"sequence": info.name, "frame": frame, "timestamp": time, "fps": plain(info.fps)}
        low = rows[:, LEFT : LEFT + 2] / size
        sides = np.concatenate([low, low + rows[:, LEFT + 2 : HEIGHT + 1] / size], axis=1)
        held = sides.clip(_FROM, _TO)
        kept = (held[:, 2:] > held[:, :2]).all(axis=1)
        boxes = [_box(row, box, material.labels) for row, box in zip(rows[kept], held[kept], strict=True)]
        yield line | {"bounding_box_annotations": boxes}, int((held != sides).any(axis=1).sum())


def _box(row: np.ndarray, sides: np.ndarray, labels: dict[int, str]) -> dict[str, Any]:
    name = labels[int(row[CLASS])]
    box = {"annotation_label": name, **{key: round(float(side), 12) for key, side in zip(_SIDES, sides, strict=True)}}
    box |= {"track_id": int(row[ID]), "confidence": plain(row[CONFIDENCE]), "visibility": plain(row[VISIBILITY])}
    return box | ({"iscrowd": 1} if name == _CROWD else {})
