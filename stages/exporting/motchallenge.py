"""MOTChallenge folders: `SPLIT/SEQUENCE/` with `img1/`, `gt/gt.txt` and `seqinfo.ini`, as the archives hold them.

Holds everything, to the byte: read back, the archives are the same. gt.txt has class numbers, no
names: `labels.json` beside the splits says them, as `labels` in a source's params does.
"""

from __future__ import annotations

from pathlib import Path

from stages.exporting.material import Material
from stages.files import write_json, write_text
from stages.sequences.annotations import format_gt
from stages.sequences.archive import format_seqinfo


def write(material: Material, folder: Path) -> None:
    """Write all sequences to ``folder``."""
    for item in material.items():
        place = folder / item.split / item.info.name
        for frame in range(1, item.info.length + 1):
            path = place / item.info.member(frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.sequence.encoded(frame))
        write_text(place / "gt/gt.txt", format_gt(item.sequence.gt()))
        write_text(place / "seqinfo.ini", format_seqinfo(item.info))
    write_json(folder / "labels.json", {str(number): name for number, name in sorted(material.labels.items())})
