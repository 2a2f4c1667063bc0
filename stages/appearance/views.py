"""Who is the same individual where: which sequences share identities, and which camera each of them comes from.

Reads data/sources/SOURCE/index.csv. An identity's number means the same individual

- in the embedded world: in all cameras of a scene, over every source that shows the same world (same `seed`, `people`
  and `cars`): two street cameras, and a drone above them;
- in MTMMC: in all cameras of a scene;
- elsewhere: within one sequence, over all of its `ranges`, which are of one camera.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.params import FileSource, MtmmcSource, Params, Source, WorldSource
from stages.sequences.index import SOURCES, read_index


@dataclass(frozen=True)
class View:
    """One sequence as a view of its ``group``: views of one group share identities; ``camera`` tells them apart."""

    source: str
    sequence: str
    split: str
    group: str
    camera: str


def views_of(params: Params, sources: tuple[str, ...], root: Path = SOURCES) -> list[View]:
    """The sequences of ``sources``, in the order given; raises `InputError` where a source is not there."""
    return [view for name in sources for view in _views(name, params.sources[name], root)]


def _views(name: str, source: Source, root: Path) -> Iterator[View]:
    rows = read_index(name, root=root)
    of_world = isinstance(source, WorldSource)
    places = _world_places(name, source) if of_world else _file_places(name, source, rows["sequence"])
    splits = dict(zip(rows["sequence"], rows["split"], strict=True))
    for sequence in rows["sequence"] if of_world else places:
        yield View(name, sequence, splits[sequence], *places[sequence])


def _world_places(name: str, source: WorldSource) -> dict[str, tuple[str, str]]:
    """Group and camera of every sequence of the embedded world."""
    from stages.world import world_sequences

    world = f"world {source.seed} {source.people} {source.cars}"
    return {
        each.name: (f"{world} {each.split} {each.scene}", f"{name} {each.camera + 1}")
        for each in world_sequences(source)
    }


def _file_places(name: str, source: FileSource, sequences: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Group and camera of every sequence; the pieces of one in the order of their time."""
    pieces = {
        f"{whole}-{part}": (whole, piece.frames[0])
        for whole, parts in source.ranges.items()
        for part, piece in parts.items()
    }
    found = {sequence: pieces.get(sequence, (sequence, 0)) for sequence in sequences}
    return {sequence: _file_place(name, source, found[sequence][0]) for sequence in sorted(found, key=found.get)}


def _file_place(name: str, source: FileSource, whole: str) -> tuple[str, str]:
    """Group and camera of a sequence and of all its pieces: one camera has taken them."""
    if isinstance(source, MtmmcSource):
        scene, _, camera = whole.partition("-")
        return f"{name} {scene}", f"{name} {camera}"
    return f"{name} {whole}", f"{name} {whole}"
