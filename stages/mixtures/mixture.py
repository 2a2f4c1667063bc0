"""A mixture on disk: `data/mixtures/STAGE/` with clips.csv, summary.csv and manifest.json.

The manifest holds all that training needs to know of the sources: the sha256 of every sequence archive that the
clips read and what its classes mean. So a stage trains again when its mixture changes, and only then.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.errors import InputError
from stages.files import replacing, write_json, write_text
from stages.mixtures.mixing import Clip

MIXTURES = Path("data/mixtures")


@dataclass(frozen=True)
class SourceMeaning:
    """What a source's rows are for (see `annotations.purposes`), and its archives' sha256 by sequence."""

    labels: dict[int, str]
    mapping: dict[str, str]
    sequences: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """``seen``: the sources of this stage and of all stages before; ``sources``: those its clips read."""

    classes: tuple[str, ...]
    seen: tuple[str, ...]
    min_visibility: float
    sources: dict[str, SourceMeaning]


def write_mixture(folder: Path, manifest: Manifest, clips: list[Clip], summary: Sequence[Mapping] = ()) -> None:
    """Write a mixture's folder in one step; ``summary`` holds the rows of summary.csv, if any."""
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        write_json(partial / "manifest.json", asdict(manifest))
        rows = (
            (clip.source, clip.sequence, clip.split, " ".join(map(str, clip.frames)), clip.interval) for clip in clips
        )
        _write_csv(partial / "clips.csv", list(Clip.__dataclass_fields__), rows)
        if summary:
            _write_csv(partial / "summary.csv", list(summary[0]), (row.values() for row in summary))


def _write_csv(path: Path, header: list[str], rows: Iterable[Iterable]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a mixture."""
    path = folder / "manifest.json"
    try:
        value = json.loads(path.read_text())
        sources = {
            name: SourceMeaning({int(k): v for k, v in s["labels"].items()}, s["mapping"], s["sequences"])
            for name, s in value["sources"].items()
        }
        return Manifest(tuple(value["classes"]), tuple(value["seen"]), value["min_visibility"], sources)
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise InputError(
            str(path), f"no mixture ({type(error).__name__})", f"dvc repro mixture@{folder.name}"
        ) from None


def read_clips(folder: Path, split: str) -> list[Clip]:
    """The clips of one split, in the file's order."""
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        return [
            Clip(row["source"], row["sequence"], split, tuple(map(int, row["frames"].split())), float(row["interval"]))
            for row in csv.DictReader(file)
            if row["split"] == split
        ]
