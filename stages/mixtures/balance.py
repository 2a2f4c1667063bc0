"""Weights of frames that show what is rare in their source: a class, or a size of box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stages.mixtures.targets import SIZES, TargetRows
from stages.params.stage import Balance


def frame_weights(
    balance: Balance, sequences: Mapping[str, TargetRows], classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """A weight for every frame of ``sequences``, by sequence and (frames,).

    The product of both kinds' ``1 + strength * (factor - 1)``, where factor is a frame's repeat factor (see
    `repeat_factors`): the largest among what it shows, 1 for a frame that shows nothing.
    """
    names, rows = list(sequences), list(sequences.values())
    shown = [_shown(targets, targets.category, len(classes)) for targets in rows]
    weights = _weights(np.concatenate(shown), balance.classes)
    shown = [_shown(targets, targets.size, len(SIZES)) for targets in rows]
    weights = weights * _weights(np.concatenate(shown), balance.sizes)
    ends = np.cumsum([targets.length for targets in rows])[:-1]
    return dict(zip(names, np.split(weights, ends), strict=True))


def repeat_factors(shown: np.ndarray) -> np.ndarray:
    """Repeat factors (K,) of kinds, from ``shown`` (frames, K) bool: which frame shows which kind.

    LVIS' repeat factor sampling (Gupta et al. 2019, arXiv:1908.03195): max(1, sqrt(t / f)), f the share of frames that
    show the kind. Its threshold t is the share of the most frequent kind here, so that the rarer ones are preferred
    however few classes there are. A kind that no frame shows has factor 1.
    """
    frames = shown.sum(axis=0)
    most = max(1, frames.max())
    return np.sqrt(most / np.where(frames, frames, most))


def _weights(shown: np.ndarray, strength: float) -> np.ndarray:
    factors = np.where(shown, repeat_factors(shown), 1.0).max(axis=1, initial=1.0)
    return 1.0 + strength * (factors - 1.0)


def _shown(targets: TargetRows, kind: np.ndarray, kinds: int) -> np.ndarray:
    """(frames, kinds) bool."""
    shown = np.zeros((targets.length, kinds), bool)
    shown[targets.frame - 1, kind] = True
    return shown
