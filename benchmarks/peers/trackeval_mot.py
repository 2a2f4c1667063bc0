"""TrackEval's own evaluation of one tracker on MOT17-like files: ``python -m benchmarks.peers.trackeval_mot FOLDER``.

With the arguments that its command for MOTChallenge takes, in parallel over sequences, HOTA, CLEAR and Identity,
printed and written beside the tracks; its plots are left out, which only makes it faster. FOLDER holds `gt` and
`trackers` in MOTChallenge's layout, and lengths.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import trackeval


def evaluate(folder: Path, processes: int) -> dict[str, dict]:
    """Sequence, or COMBINED_SEQ, to metric to field to value."""
    quiet = {"PRINT_CONFIG": False}
    places = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers"), "SKIP_SPLIT_FOL": True}
    lengths = json.loads((folder / "lengths.json").read_text())
    dataset = trackeval.datasets.MotChallenge2DBox(quiet | places | {"SEQ_INFO": lengths})
    parallel = {"USE_PARALLEL": processes > 1, "NUM_PARALLEL_CORES": processes}
    evaluator = trackeval.Evaluator(quiet | parallel | {"PLOT_CURVES": False, "TIME_PROGRESS": False})
    kinds = trackeval.metrics
    metrics = [kinds.HOTA(), kinds.CLEAR(quiet), kinds.Identity(quiet)]
    result = evaluator.evaluate([dataset], metrics)[0]["MotChallenge2DBox"]["ours"]
    return {sequence: classes["pedestrian"] for sequence, classes in result.items()}


if __name__ == "__main__":
    evaluate(Path(sys.argv[1]), len(os.sched_getaffinity(0)))
