"""An inspection as text: a table with a row for each sequence, and below it the first findings of every kind."""

from __future__ import annotations

from collections.abc import Iterator

from stages.inspecting.findings import KINDS, MOST, NOTICED, REFUSED, WRONG, Report, Row

_COLUMNS = {kind: item.column for kind, item in KINDS.items() if item.column}
_LEFT = 2  # columns that are text


def to_text(report: Report) -> str:
    """The whole text, ending in a line that says what `download` would do."""
    return "\n".join([*_table(report), *_lists(report), "", _verdict(report), ""])


def _table(report: Report) -> Iterator[str]:
    header = ["sequence", "split", "frames", "fps", "boxes", *_COLUMNS.values()]
    lines = [header, *(_cells(row) for row in report.rows), _total(report)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    for number, line in enumerate(lines):
        if number == len(lines) - 1:
            yield "-" * (sum(widths) + 2 * (len(widths) - 1))
        padded = (
            cell.ljust(width) if place < _LEFT else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


def _cells(row: Row) -> list[str]:
    counts = [row.count(kind) for kind in _COLUMNS]
    if row.fps is None:  # its annotations could not be read
        return [row.sequence, row.split, *["?"] * (3 + len(counts))]
    return [row.sequence, row.split, str(row.frames), f"{row.fps:g}", str(row.boxes), *map(_count, counts)]


def _total(report: Report) -> list[str]:
    counts = [sum(row.count(kind) for row in report.rows) for kind in _COLUMNS]
    frames, boxes = sum(row.frames for row in report.rows), sum(row.boxes for row in report.rows)
    return [f"{len(report.rows)} in all", "", str(frames), "", str(boxes), *map(_count, counts)]


def _count(number: int) -> str:
    return str(number) if number else "."


def _lists(report: Report) -> Iterator[str]:
    """The first few findings of every kind, with file, line and remedy."""
    for name, kind in KINDS.items():
        findings = [finding for finding in report.all() if finding.kind == name]
        count = sum(finding.count for finding in findings)
        if count:
            yield f"\n{kind.grade}: {kind.heading} ({count})"
            errors = [error for finding in findings for error in finding.errors][:MOST]
            yield from (f"  {' '.join(str(error).split())}" for error in errors)
            if count > len(errors):
                yield f"  ... and {count - len(errors)} more"


def _verdict(report: Report) -> str:
    return {
        REFUSED: "`download` would refuse this source.",
        WRONG: "`download` would take this source as it is, and not see what is wrong with it.",
        NOTICED: "`download` would take this source.",
    }[report.grade]
