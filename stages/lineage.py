"""The command `lineage`: where does a checkpoint come from, down to the pretrained file?

Reads the cards and weights in models/, the mixtures in data/mixtures/ and, if it is there, metrics/curriculum.json.
Prints the chain: of every checkpoint its data, params, hand-off and scores, and whether its parent is still the file
that it was trained from; exit status 1 where one is not. Writes nothing.
Run as `python -m stages.lineage models/STAGE`.
"""

from __future__ import annotations

from pathlib import Path

from stages.detectors.lineage import require_unbroken, to_text, trace
from stages.errors import run_stage


def main(checkpoint: str) -> None:
    """Print the chain behind one checkpoint."""
    chain = trace(Path(checkpoint))
    print(to_text(chain), end="", flush=True)
    require_unbroken(chain)


if __name__ == "__main__":
    run_stage(main)
