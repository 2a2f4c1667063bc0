"""Ground truth rows of gt.txt, and what each row is for: a target, a distractor, a region or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from stages.errors import InputError

# Columns of a ground truth array.
FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, CONFIDENCE, CLASS, VISIBILITY = range(9)

# What a row is for, where it is no target: targets are numbered 0, 1, ... as `classes` lists them.
DISTRACTOR, REGION, DROP = -1, -2, -3
_ROLE_NUMBERS = {"distractor": DISTRACTOR, "region": REGION, "drop": DROP}


def parse_gt(text: str, where: str) -> np.ndarray:
    """Parse gt.txt into (N, 9) float64: frame, id, left, top, width, height, confidence, class, visibility.

    Boxes are in pixels. MOT15's ten columns end in world coordinates, not in class and visibility: those rows
    get class -1 and visibility 1. Raises `InputError` naming the line.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(where, "holds no boxes", "fetch the file again, or leave the sequence out")
    parsed = _parse_at_once([line for _, line in lines])
    if parsed is not None:
        return parsed
    columns = lines[0][1].count(",") + 1
    rows = [_parse_row(line.split(","), columns, f"{where}:{number}") for number, line in lines]
    return np.array(rows, dtype=np.float64)


def _parse_at_once(lines: list[str]) -> np.ndarray | None:
    """What `parse_gt` returns, ten times as fast; None where something is odd and the line has to be found."""
    try:
        values = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    if len(values) != len(lines) or values.shape[1] not in (9, 10) or not np.isfinite(values).all():
        return None
    if values.shape[1] == 10:
        values = values[:, :9].copy()
        values[:, CLASS:] = -1.0, 1.0
    return values


def _parse_row(fields: list[str], columns: int, where: str) -> list[float]:
    if columns not in (9, 10) or len(fields) != columns:
        wanted = "9 or 10" if columns not in (9, 10) else f"{columns} as in the lines before"
        raise InputError(where, f"{len(fields)} columns, not {wanted}", "fetch the file again: it may be half-written")
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise InputError(where, f"not numbers: {','.join(fields)[:60]!r}", "correct the line") from None
    if not np.isfinite(values).all():
        raise InputError(where, f"not finite: {','.join(fields)[:60]!r}", "correct the line")
    return values if len(fields) == 9 else [*values[:7], -1.0, 1.0]


def format_gt(gt: np.ndarray) -> str:
    """The text of gt.txt for a (N, 9) array; whole numbers without a point."""
    return "".join(",".join(f"{value:.10g}" for value in row) + "\n" for row in gt)


class UnmappedError(KeyError):
    """A class number that is mapped to nothing."""


@contextmanager
def mapped(where: str, source: str) -> Iterator[None]:
    """Raise as `InputError` what `purposes`, which knows no file, finds unmapped in ``where``, of ``source``."""
    try:
        yield
    except UnmappedError as error:
        remedy = f"map it in params.yaml: sources.{source}.classes, then run `dvc repro download@{source}`"
        raise InputError(where, f"class {error.args[0]} is mapped to nothing", remedy) from None


def purposes(
    gt: np.ndarray, labels: Mapping[int, str], mapping: Mapping[str, str], classes: Sequence[str]
) -> np.ndarray:
    """What each row of ``gt`` is for, (N,) int64: a class's number in ``classes``, `DISTRACTOR`, `REGION` or `DROP`.

    ``labels`` gives the source's class numbers their names, ``mapping`` (`sources.NAME.classes`) maps those names
    onto ``classes`` or roles. A target with confidence 0 is marked by its annotators as not to be found: `DROP`,
    as MOTChallenge's own evaluation has it. Raises `UnmappedError` with the class number for a class mapped to nothing,
    see `mapped`.
    """
    numbers = {name: number for number, name in enumerate(classes)} | _ROLE_NUMBERS
    native = gt[:, CLASS].astype(np.int64)
    result = np.empty(len(gt), np.int64)
    for label in np.unique(native):
        name = labels.get(int(label))
        if name is None or name not in mapping:
            raise UnmappedError(int(label))
        result[native == label] = numbers[mapping[name]]
    result[(result >= 0) & (gt[:, CONFIDENCE] == 0)] = DROP
    return result


def too_hidden(gt: np.ndarray, min_visibility: float) -> np.ndarray:
    """Which rows of ``gt`` (N, 9) are known to be visible to less than ``min_visibility``, (N,) bool.

    A negative visibility, -1 in many sources, is unknown, and not below anything.
    """
    return (gt[:, VISIBILITY] >= 0) & (gt[:, VISIBILITY] < min_visibility)


def corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) left, top, width, height to (N, 4) x1, y1, x2, y2."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
