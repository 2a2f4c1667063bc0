"""A source on disk: `data/sources/SOURCE/` with one archive per sequence, index.csv and labels.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import InputError
from stages.files import sha256_of, write_json, write_text
from stages.params import Params
from stages.sequences.archive import Sequence

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["sequence", "split", "frames", "fps", "width", "height", "boxes", "ids", "sha256"]
SOURCES = Path("data/sources")


def write_index(folder: Path, rows: list[dict], labels: Mapping[int, str]) -> None:
    """Write index.csv, one row per sequence, sorted by name, and labels.json: class numbers to the source's names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["sequence"]))
    write_text(folder / "index.csv", text.getvalue())
    write_json(folder / "labels.json", {str(number): labels[number] for number in sorted(labels)})


def read_labels(source: str, root: Path = SOURCES) -> dict[int, str]:
    """The source's own names of the class numbers in its ground truth."""
    path = root / source / "labels.json"
    if not path.exists():
        raise InputError(str(path), "no such file", f"run `dvc repro download@{source}`")
    return {int(number): name for number, name in json.loads(path.read_text()).items()}


def read_index(source: str, split: str | None = None, root: Path = SOURCES) -> pd.DataFrame:
    """The index of ``source``, or its rows of one split."""
    import pandas as pd  # half a second that writers need not spend

    path = root / source / "index.csv"
    if not path.exists():
        raise InputError(str(path), "no such index", f"run `dvc repro download@{source}`")
    table = pd.read_csv(path, dtype={"sequence": str, "split": str, "sha256": str})
    return table if split is None else table[table["split"] == split].reset_index(drop=True)


def test_sources(params: Params, root: Path = SOURCES) -> list[str]:
    """The sources that have test sequences, as params.yaml lists them."""
    return list(test_names(params, root))


def test_sequences(params: Params, root: Path = SOURCES) -> list[tuple[str, str]]:
    """(source, sequence) of every test sequence, as `test_names` has them."""
    return [(source, name) for source, names in test_names(params, root).items() for name in names]


def test_names(params: Params, root: Path = SOURCES) -> dict[str, list[str]]:
    """The test sequences of every source that has any, as params.yaml lists them; raises `InputError` for none."""
    found = {source: test_names_of(source, root) for source in params.sources}
    if not any(found.values()):
        raise InputError(str(root), "no source has a test sequence", "give one a test split in params.yaml")
    return {source: names for source, names in found.items() if names}


def test_names_of(source: str, root: Path = SOURCES) -> list[str]:
    """The test sequences of one source."""
    path = root / source / "index.csv"
    try:  # without pandas, whose import takes longer than scoring a few sequences
        with path.open(newline="", encoding="utf-8") as file:
            return [row["sequence"] for row in csv.DictReader(file) if row["split"] == "test"]
    except FileNotFoundError:
        raise InputError(str(path), "no such index", f"run `dvc repro download@{source}`") from None


def require_whole(path: Path, sha256: str, source: str) -> None:
    """Raise `InputError` unless an archive is there and is the one of ``sha256``; reading frames checks no CRC."""
    remedy = f"delete it and run `dvc repro download@{source}`, or `dvc pull`"
    if not path.exists():
        raise InputError(str(path), "the archive is absent", remedy)
    if sha256_of(path) != sha256:
        raise InputError(str(path), "damaged, or not the archive that index.csv names", remedy)


def require_whole_split(source: str, split: str, root: Path = SOURCES) -> None:
    """`require_whole` for every archive of a split."""
    for row in read_index(source, split, root).itertuples():
        require_whole(root / source / f"{row.sequence}.zip", row.sha256, source)


def open_sequence(source: str, name: str, root: Path = SOURCES) -> Sequence:
    """Open the archive of one sequence."""
    return Sequence(root / source / f"{name}.zip")
