"""Seeds derived from the run's one seed and from what they are for, so that no use disturbs another."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed for ``purpose`` (names and numbers), the same on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> np.random.Generator:
    """A NumPy generator for ``purpose``."""
    return np.random.default_rng(derive_seed(seed, *purpose))
