"""The stage `download@SOURCE`: brings one source in, as sequence archives.

Reads what `sources.SOURCE` names; writes data/sources/SOURCE/ with one archive per sequence and index.csv.
Run as `python -m stages.download SOURCE`.
"""

from __future__ import annotations

from stages.errors import choose, run_stage
from stages.params import load_params
from stages.sources.intake import build_source


def main(source: str) -> None:
    """Bring one source in."""
    params = load_params()
    choose(params.sources, source, "source")
    build_source(source, params)


if __name__ == "__main__":
    run_stage(main)
