"""A mixture on disk: `data/mixtures/STAGE/` with clips.csv and manifest.json.

The manifest holds all that training needs to know of the sources: the sha256 of every sequence archive that the
clips read and what its classes mean. So a stage trains again when its mixture changes, and only then.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

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


def write_mixture(folder: Path, manifest: Manifest, clips: list[Clip]) -> None:
    """Write a mixture's folder in one step."""
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        write_json(partial / "manifest.json", asdict(manifest))
        table = pd.DataFrame([asdict(clip) for clip in clips], columns=list(Clip.__dataclass_fields__))
        table["frames"] = [" ".join(map(str, frames)) for frames in table["frames"]]
        write_text(partial / "clips.csv", table.to_csv(index=False, lineterminator="\n"))


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
    table = pd.read_csv(folder / "clips.csv", dtype={"sequence": str, "frames": str})
    table = table[table["split"] == split]
    return [
        Clip(row.source, row.sequence, row.split, tuple(map(int, row.frames.split())), row.interval)
        for row in table.itertuples(index=False)
    ]
