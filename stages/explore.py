"""The stage `explore`: look before training.

Reads data/sources/ and data/mixtures/; writes plots/explore/sources/SOURCE/ and plots/explore/mixtures/STAGE/, each
with sheet.png, the picture to open first, frames, statistics and positions, and a CSV behind every picture.
Run as `python -m stages.explore`.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import InputError, run_stage
from stages.exploring.views import mixture_view, source_view
from stages.files import replacing
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.params import load_params

EXPLORE = Path("plots/explore")


def main() -> None:
    """Draw every source and the training clips of every mixture."""
    from stages.exploring.sheet import write_view

    params = load_params()
    with replacing(EXPLORE) as folder:
        for name in params.sources:
            write_view(folder / "sources" / name, source_view(name, params))
        for stage in params.curriculum:
            mixture = MIXTURES / stage
            clips = read_clips(mixture, "train")
            if not clips:
                raise InputError(str(mixture), "no training clips", f"run `dvc repro mixture@{stage}`")
            write_view(folder / "mixtures" / stage, mixture_view(stage, read_manifest(mixture), clips))


if __name__ == "__main__":
    run_stage(main)
