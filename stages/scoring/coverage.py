"""How much of each object is tracked, where a protocol counts mostly tracked objects otherwise than TrackEval.

TrackEval's CLEAR, as the MOTChallenge devkit, calls an object mostly tracked if it is matched in more than 0.8 of its
frames; py-motmetrics, and so Scalabel, if it is in at least 0.8. Both call it mostly lost below 0.2.
"""

from __future__ import annotations

import numpy as np

from stages.scoring.matching import NONE, steps


def mostly_tracked(data: dict) -> dict[str, int | float]:
    """CLEAR's MT, PT, ML and their shares for what `adapter.class_data` gives, mostly tracked from 0.8 on."""
    shares = tracked_shares(data)
    counts = {"MT": int((shares >= 0.8).sum()), "ML": int((shares < 0.2).sum())}
    counts["PT"] = len(shares) - sum(counts.values())
    return counts | {f"{name}R": count / max(1, len(shares)) for name, count in counts.items()}


def tracked_shares(data: dict) -> np.ndarray:
    """The share of its frames in which CLEAR matches each object, (num_gt_ids,)."""
    there, matched = np.zeros(data["num_gt_ids"]), np.zeros(data["num_gt_ids"])
    ids_of_frames = zip(data["gt_ids"], data["tracker_ids"], strict=True)
    rows = [(np.arange(len(ids)), np.arange(len(found))) for ids, found in ids_of_frames]
    for ids, step in zip(data["gt_ids"], steps(data, rows), strict=True):
        there[ids] += 1
        matched[ids[step.partners != NONE]] += 1
    return matched / there
