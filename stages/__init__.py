"""Skyward's pipeline: one module per DVC stage, and the packages that do the work."""

import os
import sys
from types import TracebackType

# Asked before anything slow is imported: who started this process may have been killed a second later.
from stages.starter import STARTER as STARTER

# OpenMP reads this when torch is loaded. Its threads spin while they wait for one another; by default so long that,
# where a core is shared with any other process, a training step takes ten times as long. Spinning briefly keeps most
# of an idle machine's speed.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

STOPPED = "stopped by SIGINT: run again"


def _say_stopped(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage still imports what it needs, which takes seconds, is one line too."""
    if issubclass(kind, KeyboardInterrupt):
        print(f"error: {STOPPED}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # a stage is being started as a program: Python looks for its module just now
    sys.excepthook = _say_stopped
