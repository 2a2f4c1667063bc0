"""stages/tracking/camera.py: the closed form against BoxMOT's numerical one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from boxmot.trackers.box.botsort.track import STrack

from stages.tracking.camera import warp_tracks

TURN = np.deg2rad(4)


@pytest.mark.parametrize(
    "warp",
    [
        [[1, 0, 0], [0, 1, 0]],
        [[1, 0, 12.5], [0, 1, -3]],
        [[1.05 * np.cos(TURN), -np.sin(TURN), 4], [np.sin(TURN), 1.05 * np.cos(TURN), 9]],
        [[0.9, 0.02, -7], [-0.03, 1.1, 2]],
    ],
)
def test_equals_boxmots_transform(warp):
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(3, 8, 8))
    means = np.concatenate([rng.uniform(20, 300, (3, 4)), rng.normal(0, 3, (3, 4))], axis=1)
    states = [(mean, root @ root.T) for mean, root in zip(means, spread, strict=True)]
    ours, theirs = ([SimpleNamespace(mean=m, covariance=c) for m, c in states] for _ in range(2))
    warp_tracks(ours, np.array(warp))
    STrack.multi_gmc(theirs, np.array(warp))
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one.mean, other.mean, atol=1e-7)
        assert np.allclose(one.covariance, other.covariance, atol=1e-7)
