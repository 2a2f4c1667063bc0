"""A project as tracking leaves it, whose videos are drawn: two sources with textured frames and people who walk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from drawing_project import lay_out
from tracking_scenes import scene

from stages.params.labels import WORLD_LABELS
from stages.sequences.annotations import format_gt
from stages.sequences.archive import write_archive
from stages.sequences.index import write_index

TRACKS = Path("data/tracks/stage1/bytetrack")
LENGTH = 30


def write_sequence(source: str, name: str, gt: np.ndarray, *, fps: float = 10, split: str = "test") -> dict:
    """Replace the ground truth of a textured scene; returns its row of the index."""
    path = Path("data/sources", source, f"{name}.zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    sequence = scene(path, fps=fps, length=LENGTH)
    frames = [sequence.encoded(number) for number in range(1, LENGTH + 1)]
    write_archive(path, sequence.info, frames, gt)
    row = {"sequence": name, "split": split, "frames": LENGTH, "fps": fps, "width": 320, "height": 192}
    return row | {"boxes": len(gt), "ids": 2, "sha256": "0"}


def walkers(first: int = 1) -> np.ndarray:
    """Two people who walk to the right."""
    rows = [[f, who, 40 * who + 3 * f, 60, 20, 50, 1, 1, 1] for f in range(first, LENGTH + 1) for who in (1, 2)]
    return np.array(rows, float)


def write_tracks(source: str, name: str, rows: np.ndarray) -> None:
    path = TRACKS / source / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(format_gt(rows))


def lay_out_films() -> None:
    """In the working directory.

    `street`: s1 is tracked perfectly, s2 with a switch in frame 20; `air`: a1 is missed in the frames 11 to 30.
    """
    lay_out()
    change(videos={"sequences": 1, "seconds": 2.0, "moments": 5})
    index = [write_sequence("street", name, walkers()) for name in ("s1", "s2")]
    write_index(Path("data/sources/street"), index, WORLD_LABELS)
    write_index(Path("data/sources/air"), [write_sequence("air", "a1", walkers(), fps=20)], WORLD_LABELS)
    tracks = walkers()
    tracks[:, 7] = 1
    write_tracks("street", "s1", tracks)
    broken = tracks.copy()
    broken[(broken[:, 1] == 2) & (broken[:, 0] >= 20), 1] = 9
    write_tracks("street", "s2", broken)
    write_tracks("air", "a1", tracks[tracks[:, 0] <= 10])


def change(**blocks: object) -> None:
    """Set blocks of params.yaml."""
    document = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(document | blocks, sort_keys=False))
