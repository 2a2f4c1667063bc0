"""What each stage gained and lost on every source against the checkpoint that it came from, with 95 % intervals.

Reads plots/scores/CHECKPOINT/TRACKER/parts.csv of the first tracker. A stage whose parent is not evaluated has no rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from stages.params import Params
from stages.scoring.bootstrap import Difference, differences, plain_differences
from stages.scoring.parts import Parts, read_parts

GAIN_COLUMNS = ("checkpoint", "parent", "source", "metric", "before", "after", "value", "low", "high")
_SCORES = Path("plots/scores")


def gain_table(params: Params, root: Path = _SCORES) -> list[dict[str, object]]:
    """Rows of `GAIN_COLUMNS`; `low` and `high` are None where too few sequences have ground truth for an interval."""
    if params.first_tracker is None:
        return []
    evaluated = params.evaluation.checkpoints
    parts = {name: read_parts(root / name / params.first_tracker / "parts.csv") for name in evaluated}
    return [
        {"checkpoint": stage, "parent": entry.after, "source": source} | _row(found)
        for stage, entry in params.curriculum.items()
        if stage in parts and entry.after in parts
        for source, found in _compared(parts[entry.after], parts[stage])
    ]


def _compared(before: dict[str, Parts], after: dict[str, Parts]) -> Iterator[tuple[str, Difference]]:
    for source in (name for name in before if name in after and not name.endswith(".post")):
        found = differences(before[source], after[source]) or plain_differences(before[source], after[source])
        yield from ((source, each) for each in found)


def _row(found: Difference) -> dict[str, object]:
    numbers = {"before": found.first, "after": found.second, "value": found.value, "low": found.low, "high": found.high}
    return {"metric": found.metric} | {name: None if math.isnan(of) else of for name, of in numbers.items()}
