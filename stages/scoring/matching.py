"""CLEAR's matching, frame by frame, as TrackEval has it (metrics/clear.py), with what its counts do not keep: which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

NONE = -1  # in the place of a row, a track or a number of frames
_MATCH = 0.5 - np.finfo(float).eps  # IoU from which boxes match; TrackEval's tolerance


@dataclass(frozen=True)
class Step:
    """One frame of one class: G targets and T scored track boxes, as rows of the ground truth and of the tracks."""

    targets: np.ndarray  # (G,) rows
    partners: np.ndarray  # (G,) row of the track box that each is matched to, or NONE
    before: np.ndarray  # (G,) row that each was last matched to before, or NONE
    target_gaps: np.ndarray  # (G,) frames that have passed since, or NONE
    switched: np.ndarray  # (G,) bool: matched to another track than the last time
    resumed: np.ndarray  # (G,) bool: matched again after a hole, a fragmentation
    tracks: np.ndarray  # (T,) rows
    false: np.ndarray  # (T,) bool: matched to nothing
    track_gaps: np.ndarray  # (T,) frames that have passed since the track was matched, or NONE


def steps(data: Mapping, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> Iterator[Step]:
    """One step for each frame of ``data``, see `adapter.class_data`.

    ``rows`` are each frame's rows of the ground truth and of the tracks that ``data`` has the ids of. A track that was
    matched to a target in the frame before stays with it, then the sum of IoU decides. Where a frame has no target or
    no track box, TrackEval passes over it, and the frame before it counts as the one before.
    """
    current = np.full(data["num_gt_ids"], NONE)  # the track in the frame before
    last, last_row, target_seen = current.copy(), current.copy(), current.copy()
    track_seen = np.full(data["num_tracker_ids"], NONE)
    for time, (targets, tracks) in enumerate(rows):
        ids, found = data["gt_ids"][time], data["tracker_ids"][time]
        places, by = _match(data["similarity_scores"][time], found[None, :] == current[ids][:, None])
        matched, tracked = ids[places], found[by]
        partners, now = np.full(len(ids), NONE), np.full(len(ids), NONE)
        partners[places], now[places] = tracks[by], tracked
        again = (partners != NONE) & (last[ids] != NONE)
        false = np.ones(len(found), bool)
        false[by] = False
        yield Step(
            targets=targets,
            partners=partners,
            before=last_row[ids],
            target_gaps=_gap(time, target_seen[ids]),
            switched=again & (now != last[ids]),
            resumed=again & (current[ids] == NONE),
            tracks=tracks,
            false=false,
            track_gaps=_gap(time, track_seen[found]),
        )
        if len(ids) and len(found):
            current[:] = NONE
        current[matched] = last[matched] = tracked
        last_row[matched] = tracks[by]
        target_seen[matched] = track_seen[tracked] = time


def _match(similarity: np.ndarray, continued: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of target and track box, (G, T) to indices (M,) and (M,); those that go on come first."""
    scores = np.where(similarity >= _MATCH, 1000.0 * continued + similarity, 0)
    rows, columns = linear_sum_assignment(-scores)
    paired = scores[rows, columns] > np.finfo(float).eps
    return rows[paired], columns[paired]


def _gap(time: int, seen: np.ndarray) -> np.ndarray:
    return np.where(seen == NONE, NONE, time - seen - 1)
