"""Stored detections of one sequence, `data/detections/CHECKPOINT/SOURCE/NAME.parquet`: written, read and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from stages.errors import InputError
from stages.files import replacing

DETECTIONS = Path("data/detections")
COLUMNS = ("frame", "x1", "y1", "x2", "y2", "score", "class")


_TYPES = (np.int32, *(np.float32,) * 5, np.int32)


def write_detections(path: str | Path, table: np.ndarray) -> None:
    """Write (N, 7) detections, see `read_detections`, in one step."""
    columns = {name: table[:, i].astype(_TYPES[i]) for i, name in enumerate(COLUMNS)}
    with replacing(path) as partial:
        parquet.write_table(pyarrow.table(columns), partial)


def read_detections(path: str | Path, length: int, classes: int) -> np.ndarray:
    """The table as (N, 7) float64: frame (from 1), x1, y1, x2, y2 (pixels), score, class (from 0).

    ``length`` is the sequence's length in frames, ``classes`` the number of classes. Raises `InputError` for a
    missing or unreadable file, a missing column, a number that is not finite, or a row that the sequence or the
    classes cannot hold. Boxes without area, which no tracker can use, are left out.
    """
    table = _read(Path(path))
    if not np.isfinite(table).all():
        raise InputError(str(path), "holds numbers that are not finite", "delete it and run `dvc repro`")
    _check_range(path, "frame", table[:, 0], 1, length)
    _check_range(path, "score", table[:, 5], 0, 1)
    _check_range(path, "class", table[:, 6], 0, classes - 1)
    return table[(table[:, 3] > table[:, 1]) & (table[:, 4] > table[:, 2])]


def _read(path: Path) -> np.ndarray:
    try:
        # Not `read_table`, which imports much, and starts threads, in every worker's process.
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=list(COLUMNS), use_threads=False)
        columns = [table.column(name).to_numpy().astype(np.float64) for name in COLUMNS]
    except FileNotFoundError:
        checkpoint = path.parent.parent.name
        raise InputError(str(path), "no such detections", f"run `dvc repro detect@{checkpoint}`") from None
    except (pyarrow.ArrowException, KeyError, ValueError, TypeError, OSError) as error:
        reason = str(error).splitlines()[0][:80]
        raise InputError(str(path), f"not a table of detections ({reason})", "delete it and run `dvc repro`") from None
    return np.stack(columns, axis=1)


def _check_range(path: str | Path, name: str, values: np.ndarray, low: float, high: float) -> None:
    bad = values[(values < low) | (values > high)]
    if len(bad):
        what = f"{name} {bad[0]:g} lies outside {low} to {high}"
        raise InputError(str(path), what, "the detections are older than the data: run `dvc repro`")
