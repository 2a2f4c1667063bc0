"""Writes a source's sequences in other tools' formats, one module each; `FORMATS` names them.

Every format keeps the splits, the classes' own names and every box, within 0.001 px of its place; what a format cannot
hold, its module says.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from stages.errors import InputError
from stages.exporting.material import read_material
from stages.files import replacing
from stages.sequences.index import SOURCES

FORMATS = ("motchallenge", "coco", "coco-video", "yolo", "jsonl")


def export_source(format: str, source: str, folder: str | Path, root: Path = SOURCES) -> None:
    """Write ``source`` as ``format`` to ``folder``, which must not be there yet; raises `InputError`."""
    if format not in FORMATS:
        near = get_close_matches(format.lower().replace("_", "-"), FORMATS, n=1, cutoff=0.5)
        known = f"formats are {', '.join(FORMATS)}"
        raise InputError(format, "no such format", f"did you mean `{near[0]}`? {known}" if near else known)
    folder = Path(folder)
    if folder.exists():
        raise InputError(str(folder), "is there already", "name another folder, or delete it")
    material = read_material(source, root)
    with replacing(folder) as partial:
        partial.mkdir()
        import_module(f"stages.exporting.{format.replace('-', '_')}").write(material, partial)
