"""Annotations as lines of text, one box a line: fields, numbers, and the place of every line for a complaint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import text_of
from stages.transport.tree import Tree


@dataclass(frozen=True)
class Table:
    """The lines of ``file`` that are not blank, cut into fields; ``lines`` are their numbers in the file."""

    file: str
    lines: list[int]
    fields: list[list[str]]

    def at(self, row: int) -> str:
        """A row's file and line."""
        return f"{self.file}:{self.lines[row]}"

    @property
    def places(self) -> Callable[[int], str]:
        """What `at` says, without the fields: an `Incoming` outlives them by the thousand."""
        file, lines = self.file, np.array(self.lines, dtype=np.int32)
        return lambda row: f"{file}:{lines[row]}"

    def column(self, column: int) -> list[str]:
        """One column's fields."""
        return [fields[column] for fields in self.fields]

    def numbers(self, columns: Sequence[int]) -> np.ndarray:
        """(N, columns) float64; raises `InputError` for the first field that is no finite number."""
        try:
            values = np.array([list(map(float, self.column(column))) for column in columns]).T
        except ValueError:
            raise self._no_number(columns) from None
        self.refuse(~np.isfinite(values).all(axis=1), "a number is not finite", "correct the line")
        return values

    def _no_number(self, columns: Sequence[int]) -> InputError:
        texts = ((row, fields[column]) for row, fields in enumerate(self.fields) for column in columns)
        row, text = next((row, text) for row, text in texts if not _is_number(text))
        return InputError(self.at(row), f"not a number: {text.strip()[:40]!r}", "correct the line")

    def refuse(self, bad: np.ndarray, what: str, remedy: str) -> None:
        """Raise `InputError` for the first row that is ``bad``, if any is."""
        if bad.any():
            raise InputError(self.at(int(np.argmax(bad))), what, remedy)

    def only(self, rows: np.ndarray) -> Table:
        """The same for the rows where ``rows`` is true."""
        chosen = np.flatnonzero(rows)
        return Table(self.file, [self.lines[row] for row in chosen], [self.fields[row] for row in chosen])


def read_table(tree: Tree, path: str, separator: str | None, columns: tuple[int, ...]) -> Table:
    """A text file whose lines have one of ``columns`` fields, parted by ``separator`` (None: white space).

    One separator behind the last field is no field: VisDrone ends some lines so. Raises `InputError`.
    """
    table = Table(tree.where(path), [], [])
    for number, line in enumerate(map(str.strip, text_of(tree, path).splitlines()), 1):
        if not line:
            continue
        fields = line.removesuffix(separator or "").split(separator)
        if len(fields) not in columns:
            what = f"{len(fields)} columns, not {' or '.join(map(str, columns))}"
            raise InputError(f"{table.file}:{number}", what, "fetch the file again, or correct `format`")
        table.lines.append(number)
        table.fields.append(fields)
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
