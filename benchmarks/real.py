"""The pipeline on real footage, and its scores as a Markdown table: ``python -m benchmarks.real``.

Runs `dvc repro` with tests/real/params.yaml in a clone of its own, on the folder that REAL_DATA names.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import yaml

from stages.errors import InputError, run_stage
from tests.pipeline import ROOT, clone_repository


def main() -> None:
    """Run, and print the table."""
    real = Path(os.environ.get("REAL_DATA", ROOT.parent / "shared" / "real")).resolve()
    if not real.is_dir():
        raise InputError(str(real), "no real data", "set REAL_DATA to its folder")
    params = yaml.safe_load((ROOT / "tests/real/params.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        clone = clone_repository(Path(folder) / "clone", params, REAL_DATA=str(real))
        clone.dvc("repro")
        curriculum = json.loads((clone.folder / "metrics/curriculum.json").read_text())
        print(table({name: curriculum[name] for name in params["evaluation"]["checkpoints"]}))


def table(curriculum: dict) -> str:
    """The scores of every checkpoint and source as Markdown."""
    lines = ["| checkpoint | source | HOTA | MOTA | IDF1 | mAP |", "|---|---|---|---|---|---|"]
    for checkpoint, sources in curriculum.items():
        for source, scores in sources.items():
            cells = (f"{scores[name]:.3f}" for name in ("HOTA", "MOTA", "IDF1", "mAP"))
            lines.append(f"| {checkpoint} | {source} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
