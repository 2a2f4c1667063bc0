"""What a page is made of. The template has a macro for each kind of block; all text in them is shown as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Cell = str | float | int | None


@dataclass(frozen=True)
class Note:
    """A sentence in the place of what there is nothing of."""

    kind: ClassVar = "note"
    text: str


@dataclass(frozen=True)
class Facts:
    """Pairs of what and how much, in a grid."""

    kind: ClassVar = "facts"
    pairs: list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table whose columns sort; ``csv`` is the file in plots/ that has it all."""

    kind: ClassVar = "table"
    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    csv: str | None = None


@dataclass(frozen=True)
class Chart:
    """One picture: Vega-Lite specs with their subtitles, side by side where there is room.

    ``text`` says in words what is to be seen. ``name`` is that of the files beside the page: NAME.png and NAME.csv.
    """

    kind: ClassVar = "chart"
    title: str
    text: str
    specs: list[tuple[str, dict]]
    name: str
    shape: Literal["", "narrow", "stacked"] = ""  # stacked: one spec below another, over one axis


@dataclass(frozen=True)
class Card:
    """A stage of the curriculum: its name, facts, bars (label, share) and scores."""

    title: str
    pairs: list[tuple[str, str]]
    bars: list[tuple[str, float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Strip:
    """Cards, one after another."""

    kind: ClassVar = "strip"
    cards: list[Card]


@dataclass(frozen=True)
class Picture:
    """A picture with its text; ``link`` is what it opens: with a ``start`` in seconds, a film that is on the page."""

    src: str
    alt: str
    caption: str
    link: str = ""
    start: float | None = None


@dataclass(frozen=True)
class Gallery:
    """Pictures in a grid."""

    kind: ClassVar = "gallery"
    title: str
    pictures: list[Picture]
    text: str = ""


@dataclass(frozen=True)
class Film:
    """A video beside the page; ``poster`` is the picture that stands for it."""

    src: str
    title: str
    poster: str = ""


@dataclass(frozen=True)
class Films:
    """Videos in a grid."""

    kind: ClassVar = "films"
    title: str
    films: list[Film]


@dataclass(frozen=True)
class Text:
    """Long text, folded: params.yaml."""

    kind: ClassVar = "text"
    title: str
    text: str


Block = Note | Facts | Table | Chart | Strip | Gallery | Films | Text


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading and an anchor.

    On a page of two runs ``label`` tells whose it is. ``base`` leads from the page to the run's plots/, if it can.
    """

    anchor: str
    title: str
    blocks: list[Block]
    label: str = ""
    base: str | None = ""
