"""From ground truth and tracks, as arrays, to what TrackEval's metrics read, one class at a time.

Class-true: tracks of a class meet ground truth of that class only. Before that, per frame and class, by the rules of
`skyward` (those of benchmarks are in `protocols`):

1. Tracks are matched one to one to the annotated boxes of every class and role but regions (Hungarian on IoU, at
   least 0.5); a track matched to a distractor is dropped. Boxes mapped onto `drop` take part here, and only
   here: so it is done on MOT17, where a track on an occluder does not fall to the distractor behind it.
2. A track left over that matches no target of its class at IoU 0.5 or more and has more than half of its own area
   inside a region is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.errors import InputError
from stages.scoring.overlap import iou, pixels_inside, share_inside
from stages.scoring.protocols import SKYWARD, Rules, own_distractor
from stages.sequences.annotations import CLASS, DISTRACTOR, FRAME, HEIGHT, ID, LEFT, REGION
from stages.sequences.tracks import Tracks, repeated

_EPSILON = np.finfo(float).eps  # TrackEval's tolerance
_MATCH = 0.5 - _EPSILON  # IoU from which two boxes match


@dataclass(frozen=True)
class Frame:
    """One frame's annotated boxes (regions apart) and track boxes of all classes."""

    rules: Rules
    purposes: np.ndarray  # (G,) see `protocols.roles`
    gt_ids: np.ndarray  # (G,)
    track_ids: np.ndarray  # (T,)
    track_classes: np.ndarray  # (T,) from 0
    iou: np.ndarray  # (G, T)
    in_region: np.ndarray  # (T,) bool: more than half of the own area inside a region
    small: np.ndarray  # (T,) bool: at most as high as `Rules.small`
    gt_rows: np.ndarray  # (G,) their places in the sequence's ground truth
    track_rows: np.ndarray  # (T,) their places in the sequence's tracks


def frames_of(
    gt: np.ndarray,
    purposes: np.ndarray,
    tracks: Tracks,
    length: int,
    where: str,
    rules: Rules = SKYWARD,
    size: tuple[int, int] | None = None,
) -> list[Frame]:
    """The ``length`` frames of a sequence.

    ``gt`` is (N, 9), see `annotations.parse_gt`, with what each row is for in ``purposes`` (N,), see
    `protocols.roles`. ``size`` is the frames' width and height in pixels, which only `visdrone` asks for. Raises
    `InputError`, with ``where`` and the row as its place, for a frame outside the sequence and a target's id twice
    in a frame.
    """
    _check_gt(gt, purposes, length, where)
    boxes, region, valid = gt[:, LEFT : HEIGHT + 1], purposes == REGION, np.ones(len(tracks.boxes), bool)
    annotated = ~region
    if rules.regions_first:
        annotated, valid = _outside_regions(gt, region, tracks, length, size)
    result = []
    rows_of_frame = zip(_by_frame(gt[:, FRAME], length), _by_frame(tracks.frames, length), strict=True)
    for gt_rows, track_rows in rows_of_frame:
        regions = gt_rows[region[gt_rows]]
        gt_rows, track_rows = gt_rows[annotated[gt_rows]], track_rows[valid[track_rows]]
        found = tracks.boxes[track_rows]
        used = len(regions) and not rules.regions_first
        inside = share_inside(found, boxes[regions]) if used else np.zeros(len(found))
        result.append(
            Frame(
                rules=rules,
                purposes=purposes[gt_rows],
                gt_ids=gt[gt_rows, ID].astype(np.int64),
                track_ids=tracks.ids[track_rows],
                track_classes=tracks.classes[track_rows],
                iou=iou(boxes[gt_rows], found),
                in_region=inside > 0.5 + _EPSILON,
                small=found[:, 3] <= rules.small + _EPSILON,
                gt_rows=gt_rows,
                track_rows=track_rows,
            )
        )
    return result


def class_data(frames: list[Frame], number: int) -> dict:
    """What TrackEval's HOTA, CLEAR, Identity and Count read of a sequence, for class ``number`` (from 0)."""
    gt_ids, track_ids, similarities = [], [], []
    for frame in frames:
        targets, kept = scored_rows(frame, number)
        gt_ids.append(frame.gt_ids[targets])
        track_ids.append(frame.track_ids[kept])
        similarities.append(frame.iou[targets[:, None], kept])
    gt_ids, num_gt_ids = _relabel(gt_ids)
    track_ids, num_track_ids = _relabel(track_ids)
    return {
        "num_timesteps": len(frames),
        "num_gt_ids": num_gt_ids,
        "num_tracker_ids": num_track_ids,
        "num_gt_dets": sum(map(len, gt_ids)),
        "num_tracker_dets": sum(map(len, track_ids)),
        "gt_ids": gt_ids,
        "tracker_ids": track_ids,
        "similarity_scores": similarities,
    }


def scored_rows(frame: Frame, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The targets of a class and the track boxes that are scored against them: indices into ``frame``'s arrays."""
    targets = frame.purposes == number
    tracks = np.flatnonzero(frame.track_classes == number)
    distractor = (frame.purposes == DISTRACTOR) | (frame.purposes == own_distractor(number))
    loose = frame.in_region | frame.small
    matched = None
    if distractor.any():
        taking = np.ones(len(targets), bool) if frame.rules.all_classes else targets | distractor
        favoured = targets if frame.rules.targets_win else np.zeros(len(targets), bool)
        rows, columns = _match(frame.iou[taking][:, tracks], favoured[taking])
        dropped = columns[distractor[taking][rows]]
        matched = None if frame.rules.all_classes else tracks[columns]
        tracks = np.delete(tracks, dropped)
    if loose[tracks].any():
        if matched is None:
            columns = _match(frame.iou[targets][:, tracks], np.zeros(targets.sum(), bool))[1]
            matched = tracks[columns]
        tracks = tracks[~loose[tracks] | np.isin(tracks, matched)]
    return np.flatnonzero(targets), tracks


def _outside_regions(
    gt: np.ndarray, region: np.ndarray, tracks: Tracks, length: int, size: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The annotated boxes (N,) and track boxes (T,), both bool, that `Rules.regions_first` leaves."""
    boxes, annotated, valid = gt[:, LEFT : HEIGHT + 1], ~region, np.ones(len(tracks.boxes), bool)
    size = size or (1 << 30, 1 << 30)
    rows_of_frame = zip(_by_frame(gt[:, FRAME], length), _by_frame(tracks.frames, length), strict=True)
    for gt_rows, track_rows in rows_of_frame:
        regions = boxes[gt_rows[region[gt_rows]]]
        if len(regions):
            annotated[gt_rows] &= pixels_inside(boxes[gt_rows], regions, size) < 0.5
            valid[track_rows] &= pixels_inside(tracks.boxes[track_rows], regions, size) < 0.5
    return annotated, valid & (tracks.frames <= gt[annotated, FRAME].max(initial=0))


def _match(overlaps: np.ndarray, favoured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns one to one at IoU >= 0.5, by the largest sum of IoU; ties go to ``favoured`` rows.

    Without that, a distractor that coincides with a target could take the target's own track.
    """
    scores = np.where(overlaps >= _MATCH, overlaps, 0)
    scores[favoured] += 1e-12 * (scores[favoured] > 0)
    rows, columns = linear_sum_assignment(-scores)
    paired = scores[rows, columns] > 0
    return rows[paired], columns[paired]


def _by_frame(frames: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """The rows of each frame 1 ... ``length``, in the order given."""
    order = np.argsort(frames, kind="stable")
    bounds = np.searchsorted(frames[order], np.arange(1, length + 2))
    for start, end in pairwise(bounds):
        yield order[start:end]


def _relabel(ids: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """Ids per frame as 0, 1, ... without gaps, and how many there are."""
    known, numbers = np.unique(np.concatenate(ids), return_inverse=True)
    return np.split(numbers, np.cumsum([len(each) for each in ids])[:-1]), len(known)


def _check_gt(gt: np.ndarray, purposes: np.ndarray, length: int, where: str) -> None:
    outside = (gt[:, FRAME] < 1) | (gt[:, FRAME] > length)
    targets = np.flatnonzero(purposes >= 0)
    twice = targets[repeated(gt[targets, FRAME], gt[targets, ID], gt[targets, CLASS])]
    for rows, what in (
        (np.flatnonzero(outside), f"a frame outside 1 ... {length}"),
        (twice, "an id twice in one frame"),
    ):
        if len(rows):
            raise InputError(f"{where}:{rows[0] + 1}", what, "correct the source and run `dvc repro`")
