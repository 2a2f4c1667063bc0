"""A project as all stages before `report` leave it, with made-up scores, videos' tables and explanations."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from drawing_project import lay_out

from stages.curriculum.results import read_results
from stages.params import Params
from stages.plot import write_tables

MOMENTS = 3


def lay_out_report(**changes: object) -> Params:
    """`drawing_project.lay_out`, and what `plot`, `draw_videos`, `explain` and `explore` make of it; but no figure."""
    params = lay_out(**changes)
    write_tables(params, read_results(params))
    last = params.evaluation.checkpoints[-1]
    for checkpoint in params.evaluation.checkpoints:
        _videos(params, checkpoint, MOMENTS if checkpoint == last and params.trackers else 0)
        _explanations(checkpoint)
    for name in params.sources:
        _picture(Path("plots/explore/sources", name, "sheet.png"))
    return params


def _videos(params: Params, checkpoint: str, moments: int) -> None:
    folder = Path("plots/videos", checkpoint)
    columns = ["source", "sequence", "view", "file", "poster", "frames", "fps", "seconds"]
    names = [(s, view) for s in params.sources for view in ("tracks", "diagnosis")] if params.trackers else []
    rows = [[s, "one", v, f"{s}.{v}.mp4", f"{s}.{v}.jpg", 60, 10, 6.0] for s, v in names]
    _table(folder / "videos.csv", columns, rows)
    for row in rows:
        _picture(folder / row[4])
    columns = [
        "rank",
        "source",
        "sequence",
        "first",
        "last",
        "start",
        "misses",
        "false_alarms",
        "switches",
        "thumbnail",
    ]
    rows = [
        [i, "street", "one", 5 * i, 5 * i + 20, 2.0 * i, 7, 2, 1, f"worst/{i:02d}.jpg"] for i in range(1, moments + 1)
    ]
    _table(folder / "worst.csv", columns, rows)
    for row in rows:
        _picture(folder / row[-1])


def _explanations(checkpoint: str) -> None:
    columns = ["source", "sequence", "kind", "file", "sentence"]
    sentence = "Missed person, 41 x 96 px: 12 % of the heat lies in the box."
    _table(Path("plots/explain", checkpoint, "explain.csv"), columns, [["street", "one", "miss", "01.jpg", sentence]])
    _picture(Path("plots/explain", checkpoint, "01.jpg"))


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 80, 3), 128, np.uint8))


def _table(path: Path, header: list[str], rows: list[list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
