"""A YOLO data set: data.yaml, `images/`, `labels/` that trainers read, and `tracks/`: the same lines with track ids.

Boxes are shares of the image's size with nine decimals, within 0.0001 px; classes are numbered from 0, names once each.
Ids, frame rates (`fps` in data.yaml, by sequence) and order are held for `formats.yolo`, with `sequences: true`. Not
held: visibility and confidence (a box with confidence 0 is one like the others), and what trainers refuse: a box whose
centre or size is outside the image is cut at the image's edge, one wholly outside is left out. stderr says how many.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np

from stages.exporting.material import Item, Material, plain
from stages.files import write_text
from stages.sequences.annotations import CLASS, CONFIDENCE, HEIGHT, ID, LEFT


def write(material: Material, folder: Path) -> None:
    """Write all frames, labels and data.yaml to ``folder``."""
    numbers = {name: number for number, name in enumerate(material.class_names)}
    classes = {label: numbers[name] for label, name in material.labels.items()}
    rates, lost = {}, Counter()
    for item in material.items():
        rates[item.info.name] = plain(item.info.fps)
        item.write_frames(folder / "images")
        _write_labels(item, classes, folder, lost)
    write_text(folder / "data.yaml", _data(material, {} if material.stills else rates))
    if lost:
        said = "; ".join(f"{count} boxes {what}" for what, count in sorted(lost.items()))
        print(f"warning: {material.name}: YOLO cannot hold all of it: {said}", file=sys.stderr)


def _data(material: Material, rates: dict[str, float]) -> str:
    import yaml

    content = {split: f"images/{split}" for split in material.splits}
    content |= {"names": dict(enumerate(material.class_names))}
    return yaml.safe_dump(content | ({"fps": rates} if rates else {}), sort_keys=False, allow_unicode=True)


def _write_labels(item: Item, classes: dict[int, int], folder: Path, lost: Counter) -> None:
    """Two files a frame, empty where there is no box; adds to ``lost`` what is not as it was."""
    for (_, rows), file in zip(item.by_frame(), item.frame_files, strict=True):
        shares, kept = _shares(rows, item.info.width, item.info.height, lost)
        lost.update({"with confidence 0, written like others": int((rows[kept, CONFIDENCE] == 0).sum())})
        lines = [
            f"{classes[int(row[CLASS])]} " + " ".join(f"{value:.9f}" for value in box)
            for row, box in zip(rows[kept], shares, strict=True)
        ]
        path = PurePosixPath(file).with_suffix(".txt")
        tracked = [f"{line} {int(row[ID])}" for line, row in zip(lines, rows[kept], strict=True)]
        for kind, text in (("labels", lines), ("tracks", tracked)):
            place = folder / kind / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("".join(f"{line}\n" for line in text))
    for what in [what for what, count in lost.items() if not count]:
        del lost[what]


def _shares(rows: np.ndarray, width: int, height: int, lost: Counter) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size in shares of the frame, (K, 4) in 0 ... 1, and which rows (N,) bool they are of."""
    size = np.array([width, height])
    low = rows[:, LEFT : LEFT + 2] / size
    high = low + rows[:, LEFT + 2 : HEIGHT + 1] / size
    shares = np.concatenate([(low + high) / 2, high - low], axis=1)
    over = ((shares < 0) | (shares > 1)).any(axis=1)
    low, high = np.where(over[:, None], low.clip(0, 1), low), np.where(over[:, None], high.clip(0, 1), high)
    kept = (high > low).all(axis=1)
    lost.update({"cut at the image's edge": int((over & kept).sum()), "outside the image left out": int((~kept).sum())})
    return np.concatenate([(low + high) / 2, high - low], axis=1)[kept], kept
