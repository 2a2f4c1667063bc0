"""How long a stage took on this machine, and how much memory: .skyward/times/STAGE.json, outside of every DVC output.

What a run costs differs from run to run, so no stage depends on these files; the report shows those that are there.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stages.files import write_json

TIMES = Path(".skyward/times")


@contextmanager
def timed() -> Iterator[None]:
    """Put the stage that DVC runs here on record, once it has ended well; nothing where DVC did not start it."""
    start, stage = time.monotonic(), os.environ.get("DVC_STAGE")
    yield
    if stage:
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = round(time.monotonic() - start, 2)
        write_json(TIMES / f"{stage}.json", {"seconds": seconds, "peak_memory_mb": _peak_mb(), "ended": ended})


def read_times(root: Path) -> dict[str, dict]:
    """What is on record in the workspace at ``root``: by stage `seconds`, `peak_memory_mb` and `ended`, by its end."""
    found = {}
    for path in (root / TIMES).glob("*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            float(record["seconds"]), float(record["peak_memory_mb"]), datetime.fromisoformat(record["ended"])
        except (ValueError, KeyError, TypeError):
            continue  # a cost that cannot be read is one that is not known
        found[path.stem] = record
    return dict(sorted(found.items(), key=lambda item: (item[1]["ended"], item[0])))


def _peak_mb() -> int:
    """The most memory that this process or one that it waited for had, in MB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024
