"""A table of every optimizer step, for `dvc plots`.

Written row by row to a scratch file, which outlives a kill; a run that is resumed from a saved step goes on behind
that step's row. `StepTable.finish` puts the table in its place.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from stages.files import replacing
from stages.watching.watcher import Step, Watcher

_FIRST = ("epoch", "step", "loss")
_LAST = ("images_per_second", "memory_mb", "waited", "seconds")


class StepTable(Watcher):
    """Columns: epoch, step, loss, its parts sorted, `lr_PART` for every part, and `_LAST`, see `Step`.

    A part that only later steps have (of the loss, or one that is thawed) gets its column then, empty before.
    """

    def __init__(self, scratch: Path):
        self._scratch = scratch
        self._columns: list[str] = []
        self._file: TextIO | None = None
        self._writer: Any = None

    def begin(self, stage: str, settings: dict, done: int = 0) -> None:
        """Drop rows beyond the step ``done``; all of them in a fresh run."""
        self._columns = cut_back(self._scratch, done) if done else []
        if not self._columns:
            self._scratch.unlink(missing_ok=True)

    def step(self, step: Step) -> None:
        """Append a row."""
        row = _row(step)
        if not row.keys() <= set(self._columns):
            self._widen(row)
        if self._file is None:
            self._open()
        self._writer.writerow([_field(row.get(name)) for name in self._columns])

    def end(self, checkpoint: Path | None, row: dict) -> None:
        """Close the scratch file; it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self, path: Path) -> None:
        """Write the table to ``path`` in one step."""
        self.end(None, {})
        if not self._scratch.exists():
            self._widen({})
        with replacing(path) as partial:
            shutil.copyfile(self._scratch, partial)

    def _open(self) -> None:
        # A row at a time goes to the system, where a kill of this process does not reach it; to the disk when it likes.
        self._file = self._scratch.open("a", buffering=1, newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def _widen(self, row: dict) -> None:
        """Write the table anew with the columns that ``row`` adds."""
        self.end(None, {})
        columns = _ordered([*self._columns, *row])
        rows = list(csv.DictReader(_lines(self._scratch))) if self._columns else []
        _write(self._scratch, columns, ([old.get(name, "") for name in columns] for old in rows))
        self._columns = columns


def cut_back(path: Path, step: int, delimiter: str = ",") -> list[str]:
    """Drop the rows of a table beyond ``step``, and a last line that was cut off; returns the columns, if any."""
    lines = csv.reader(_lines(path) if path.exists() else [], delimiter=delimiter)
    columns = next(lines, [])
    if columns:
        place = columns.index("step")
        _write(path, columns, (row for row in lines if int(row[place]) <= step), delimiter)
    return columns


def _lines(path: Path) -> Iterator[str]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from (line for line in file if line.endswith("\n"))


def _write(path: Path, columns: list[str], rows: Iterable[list[str]], delimiter: str = ",") -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _row(step: Step) -> dict[str, float]:
    rates = {f"lr_{part}": rate for part, rate in step.rates.items()}
    first = {"epoch": step.epoch, "step": step.step} | step.losses
    return first | rates | {name: getattr(step, name) for name in _LAST}


def _ordered(names: list[str]) -> list[str]:
    """Each once: the fixed ones at both ends, between them the loss's parts and then the learning rates."""
    own = [name for name in dict.fromkeys(names) if name not in (*_FIRST, *_LAST)]
    rates = [name for name in own if name.startswith("lr_")]
    return [*_FIRST, *sorted(set(own) - set(rates)), *rates, *_LAST]


def _field(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
