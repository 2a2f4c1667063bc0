"""Skyward's pipeline: one module per DVC stage, and the packages that do the work."""

import os

# OpenMP reads this when torch is loaded. Its threads spin while they wait for one another; by default so long that,
# where a core is shared with any other process, a training step takes ten times as long. Spinning briefly keeps most
# of an idle machine's speed.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# Asked before anything slow is imported: who started this process may have been killed a second later.
STARTED_BY = os.getppid()
