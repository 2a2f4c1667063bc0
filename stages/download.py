"""The stage `download@SOURCE`: brings one source in, as sequence archives.

Reads what `sources.SOURCE` names; writes data/sources/SOURCE/ with one archive per sequence and index.csv, and
metrics/download/SOURCE.json: files, bytes needed and fetched, requests of this run (zero where nothing is remote).
Run as `python -m stages.download SOURCE`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from stages.errors import choose, run_stage
from stages.files import write_json
from stages.params import load_params
from stages.sources.intake import build_source

METRICS = Path("metrics/download")


def main(source: str) -> None:
    """Bring one source in."""
    params = load_params()
    choose(params.sources, source, "source")
    traffic = build_source(source, params)
    write_json(METRICS / f"{source}.json", asdict(traffic))


if __name__ == "__main__":
    run_stage(main)
