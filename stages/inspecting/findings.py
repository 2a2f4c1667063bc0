"""What an inspection can find, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stages.errors import InputError

MOST = 5  # findings of a kind that are kept for each sequence, and shown in all


REFUSED, WRONG, NOTICED = "refused", "wrong", "noticed"


@dataclass(frozen=True)
class Kind:
    """A kind of finding: the heading of its list, its column in the table if it has one, and how bad it is.

    `REFUSED`: `download` stops at it; `WRONG`: it would not see it, and training would; `NOTICED`: worth a look.
    """

    heading: str
    column: str = ""
    grade: str = REFUSED


KINDS = {
    "source": Kind("the source and its params do not fit"),
    "sequence": Kind("sequences that cannot be read"),
    "frame": Kind("frames that cannot be read", "unreadable"),
    "damaged": Kind("frames that hold less than they say", "damaged", WRONG),
    "malformed": Kind("rows with impossible numbers", "malformed"),
    "empty": Kind("nothing annotated"),
    "no area": Kind("boxes without area", "no area"),
    "outside": Kind("boxes outside the frame", "outside"),
    "twice": Kind("ids that stand twice in a frame", "id twice"),
    "classes": Kind("boxes of classes that mean nothing", "no class"),
    "same": Kind("the same frame in two splits"),
    "jump": Kind("ids that jump across the image", "jumps", NOTICED),
    "gap": Kind("gaps in tracks", "gaps", NOTICED),
    "lie": Kind("annotations that disagree with the frames", "disagree", NOTICED),
}


@dataclass(frozen=True)
class Finding:
    """``count`` things of one kind, the first few of them as errors that name file and line."""

    kind: str
    count: int
    errors: tuple[InputError, ...]


def single(kind: str, error: InputError) -> Finding:
    """A finding of one thing."""
    return Finding(kind, 1, (error,))


@dataclass(frozen=True)
class Row:
    """One sequence: what is taken of it, and what was found in all of it."""

    sequence: str
    split: str
    frames: int = 0
    fps: float | None = None
    boxes: int = 0
    findings: tuple[Finding, ...] = ()

    def count(self, kind: str) -> int:
        """How much of ``kind`` was found."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)


@dataclass(frozen=True)
class Report:
    """All sequences of a source, and what was found beside them."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()

    def all(self) -> Iterable[Finding]:
        """Every finding, the source's own first."""
        yield from self.findings
        for row in self.rows:
            yield from row.findings

    @property
    def grade(self) -> str:
        """How bad the worst of it is."""
        found = {KINDS[finding.kind].grade for finding in self.all()}
        return next((grade for grade in (REFUSED, WRONG) if grade in found), NOTICED)
