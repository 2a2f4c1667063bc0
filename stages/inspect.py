"""The command `inspect`: is a source fit to be taken, and if not, what all is wrong with it?

Reads what `sources.SOURCE` in params.yaml names, decodes every frame that would be taken and checks every box. Prints a
table and what was found; exit status 1 if the stage `download` would refuse it, or take frames that are damaged. Writes
nothing.
Run as `python -m stages.inspect SOURCE`.
"""

from __future__ import annotations

from stages.errors import choose, run_stage
from stages.inspecting.examine import inspect_source
from stages.inspecting.findings import NOTICED
from stages.inspecting.table import to_text
from stages.params import load_params


def main(source: str) -> None:
    """Inspect one source."""
    params = load_params()
    choose(params.sources, source, "source")
    report = inspect_source(source, params)
    print(to_text(report), end="")
    if report.grade != NOTICED:
        raise SystemExit(1)


if __name__ == "__main__":
    run_stage(main)
