"""The stage `check`: params.yaml is valid, or nothing runs.

Every root stage depends on its output, which is always the same bytes: an edit of params.yaml runs the check again
and triggers nothing behind it. It also writes the mixture from which a curriculum starts: no source seen yet.
Run as `python -m stages.check`.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import run_stage
from stages.files import write_text
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from stages.params import load_params
from stages.params.model import PRETRAINED


def main() -> None:
    """Check params.yaml."""
    load_params()
    write_text(Path("data/params.ok"), "params.yaml is valid\n")
    write_mixture(MIXTURES / PRETRAINED, Manifest(classes=(), seen=(), min_visibility=0.0, sources={}), [])


if __name__ == "__main__":
    run_stage(main)
