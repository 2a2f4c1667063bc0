"""mistakes.csv, as the stage `score` writes it: the misses and false alarms in it."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError

MISS, FALSE_ALARM = "miss", "false alarm"
_COLUMNS = ("source", "sequence", "frame", "kind", "class", "cause", "gt_id", "track_id", "left", "top", "width")
_COLUMNS += ("height", "visibility", "crowding", "iou", "iou_with")


@dataclass(frozen=True, eq=False)  # each row is one mistake
class Mistake:
    """A miss or a false alarm of a tracker in one frame (from 1), see stages/scoring/mistakes.py for what is in it."""

    source: str
    sequence: str
    frame: int
    kind: str
    label: str  # the class's name
    cause: str
    gt_id: int | None  # of a miss
    track_id: int | None  # of a false alarm
    box: np.ndarray  # (4,) x1 y1 x2 y2 in pixels: of the target, or of the false track
    visibility: float | None  # 0 to 1, None if not known
    crowding: float  # 0 to 1
    iou: float  # with the nearest box of the other side
    iou_with: str | None  # what that is

    @property
    def subject(self) -> tuple[str, str, str, int | None]:
        """Who it is about: the target of a miss, the track of a false alarm."""
        return self.kind, self.source, self.sequence, self.gt_id if self.kind == MISS else self.track_id


def read_mistakes(path: Path, classes: Sequence[str], remedy: str) -> list[Mistake]:
    """The misses and false alarms of mistakes.csv, in its order; raises `InputError` naming the line.

    A class that is none of ``classes`` is an error: the table is then older than the params.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(str(path), f"no column `{missing[0]}`", remedy)
            rows = [(reader.line_num, row) for row in reader if row["kind"] in (MISS, FALSE_ALARM)]
    except FileNotFoundError:
        raise InputError(str(path), "no such table of mistakes", remedy) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(path), f"not a table of mistakes ({error})", remedy) from None
    return [_parsed(row, classes, f"{path}:{line}", remedy) for line, row in rows]


def _parsed(row: Mapping[str, str | None], classes: Sequence[str], where: str, remedy: str) -> Mistake:
    if row["class"] not in classes:
        raise InputError(where, f"`{row['class']}` is none of params.yaml's classes", remedy)
    try:
        left, top, width, height = (_number(row[name]) for name in ("left", "top", "width", "height"))
        return Mistake(
            source=row["source"],
            sequence=row["sequence"],
            frame=int(row["frame"]),
            kind=row["kind"],
            label=row["class"],
            cause=row["cause"],
            gt_id=int(row["gt_id"]) if row["gt_id"] else None,
            track_id=int(row["track_id"]) if row["track_id"] else None,
            box=np.array([left, top, left + width, top + height]),
            visibility=_number(row["visibility"]) if row["visibility"] else None,
            crowding=_number(row["crowding"]),
            iou=_number(row["iou"]),
            iou_with=row["iou_with"] or None,
        )
    except (TypeError, ValueError) as error:
        raise InputError(where, f"no mistake ({str(error)[:80]})", remedy) from None


def _number(text: str | None) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"not finite: {text}")
    return value
