"""Tracks of one sequence, `data/tracks/CHECKPOINT/TRACKER/SOURCE/NAME.txt`: written, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError

TRACKS = Path("data/tracks")
_REMEDY = "delete it and run `dvc repro`"


@dataclass(frozen=True)
class Tracks:
    """Track boxes of one sequence, in any order."""

    frames: np.ndarray  # (N,) int64, from 1
    ids: np.ndarray  # (N,) int64, once in a frame
    boxes: np.ndarray  # (N, 4) float64: left, top, width, height, pixels
    classes: np.ndarray  # (N,) int64, from 0, as `classes` in params.yaml lists them


def format_tracks(tracks: np.ndarray) -> str:
    """MOTChallenge's text of (N, 8) tracks: frame, id, left, top, width, height (pixels), score, class (from 0).

    Pixels have 2 digits and the score 4; the class counts from 1; visibility is -1, unknown.
    """
    return "".join(
        f"{frame:.0f},{track:.0f},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4f},{label + 1:.0f},-1\n"
        for frame, track, left, top, width, height, score, label in tracks
    )


def read_tracks(path: str | Path, length: int, classes: int) -> Tracks:
    """Read the tracks of a sequence of ``length`` frames; an empty file holds no track.

    Raises `InputError` naming file and line: a missing file, columns other than nine numbers, a frame behind
    the sequence's end, a class number not in 1 ... ``classes``, an id that stands twice in a frame.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(str(path), "no such tracks", "run `dvc repro` or `dvc pull`") from None
    except UnicodeDecodeError:
        raise InputError(str(path), "not a text file", _REMEDY) from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    rows = np.array([_parse_row(line, f"{path}:{number}") for number, line in lines]).reshape(-1, 9)
    numbers = [number for number, _ in lines]
    _check(rows, numbers, str(path), length, classes)
    whole = rows.astype(np.int64)
    return Tracks(frames=whole[:, 0], ids=whole[:, 1], boxes=rows[:, 2:6], classes=whole[:, 7] - 1)


def _parse_row(line: str, where: str) -> list[float]:
    fields = line.split(",")
    if len(fields) != 9:
        raise InputError(where, f"{len(fields)} columns, not 9", _REMEDY)
    try:
        return [float(field) for field in fields]
    except ValueError:
        raise InputError(where, f"not numbers: {line[:60]!r}", _REMEDY) from None


def _check(rows: np.ndarray, numbers: list[int], path: str, length: int, classes: int) -> None:
    frames, ids, native = rows[:, 0], rows[:, 1], rows[:, 7]
    findings = (
        (~np.isfinite(rows).all(axis=1), "a number that is not finite"),
        ((rows[:, [0, 1, 7]] % 1 != 0).any(axis=1), "frame, id and class are not all whole numbers"),
        ((frames < 1) | (frames > length), f"a frame outside 1 ... {length}, the sequence's length"),
        ((native < 1) | (native > classes), f"a class outside 1 ... {classes}"),
        (repeated(frames, ids), "the id stands twice in one frame"),
    )
    for wrong, what in findings:
        if wrong.any():
            raise InputError(f"{path}:{numbers[int(np.argmax(wrong))]}", what, _REMEDY)


def repeated(*columns: np.ndarray) -> np.ndarray:
    """Which rows repeat an earlier row in all ``columns``, each (N,): (N,) bool."""
    _, first = np.unique(np.stack(columns, axis=1), axis=0, return_index=True)
    result = np.ones(len(columns[0]), bool)
    result[first] = False
    return result
