"""Skyward's pipeline: one module per DVC stage, and the packages that do the work."""

import os

# OpenMP reads this when torch is loaded. Its threads spin while they wait, and where cores are shared with any
# other process that made a training step ten times slower; asleep they cost a step next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
