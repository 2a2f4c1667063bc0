"""Tracks one sequence from stored arrays: every frame in turn, one tracker to a class or one for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.params import Tracker
from stages.tracking.camera import CameraMotion
from stages.tracking.inputs import Rows, TrackingInput, usable_rows
from stages.tracking.lean import lean_kernels
from stages.tracking.options import build_tracker, gap_frames

if TYPE_CHECKING:
    from boxmot.trackers.base import BaseTracker

_FEW = 4
# Columns of an array of tracks.
FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, SCORE, CLASS = range(8)


def prepare(tracker: Tracker) -> None:
    """Import and read what ``tracker`` needs, before processes are forked that would each do it.

    What comes with a first box and a first match is had by tracking: a few boxes through a few frames.
    """
    frames = np.repeat(np.arange(1.0, _FEW + 1), _FEW)
    corner = np.tile(np.arange(_FEW) * 40.0, _FEW)
    ones = np.ones_like(frames)
    table = np.column_stack([frames, corner, corner, corner + 30, corner + 30, 0.9 * ones, 0 * ones])
    given = TrackingInput(
        fps=10.0,
        width=640,
        height=480,
        length=_FEW,
        detections=table,
        embeddings=np.tile(np.eye(_FEW, dtype=np.float32), (_FEW, 1)) if tracker.reid else None,
        warps=np.tile(np.eye(2, 3) + 0.001, (_FEW, 1, 1)) if tracker.camera_motion else None,
    )
    track_sequence(given, tracker, 1)


def track_sequence(given: TrackingInput, tracker: Tracker, classes: int) -> np.ndarray:
    """Track the detections of ``given`` through all its frames; ``classes`` is the number of classes.

    Returns (M, 8) float64: frame, id, left, top, width, height (pixels), score, class (from 0), sorted by frame and
    id. Ids count from 1 in order of appearance. With a tracker to each class no two classes share an id; one tracker
    for all gives every box the class of its detections, as BoxMOT does, so that an id may change its class. Boxes
    that a tracker predicts to have no area are left out. Raises `InputError`, see `usable_rows`.
    """
    rows = usable_rows(given, tracker, classes)
    parts = [rows.of_class(number) for number in range(classes)] if tracker.per_class else [rows]
    with lean_kernels():
        tracked = [_track(given, tracker, part) for part in parts]
    for number, each in enumerate(tracked):
        each[:, ID] += number * 2.0**40  # the trackers' own ids, kept apart until they are counted
    return _number_by_appearance(np.concatenate(tracked))


def _track(given: TrackingInput, tracker: Tracker, rows: Rows) -> np.ndarray:
    """Run one BoxMOT tracker over ``rows``: its kernel, below the checks of its public `update`."""
    built = build_tracker(tracker, given.fps, given.width, given.height)
    camera = CameraMotion(built) if tracker.camera_motion else None
    gap = gap_frames(tracker.max_gap, given.fps)
    bounds = np.searchsorted(rows.frames, np.arange(1, given.length + 2)).tolist()
    found, times = [np.empty((0, 8), np.float32)], [np.empty(0)]
    for frame in range(1, given.length + 1):
        start, end = bounds[frame - 1 : frame + 1]
        if camera:
            camera.warp = given.warps[frame - 1]
        if built.variable_dt and frame > 1:
            built._prediction_dt = (frame - 1) / given.fps - (frame - 2) / given.fps
        embeddings = None if rows.embeddings is None else rows.embeddings[start:end]
        # Also without detections, so that time passes for the tracks.
        tracks = built._track_detections(rows.boxes[start:end], None, embeddings)
        _forget(built, gap)
        if len(tracks):
            found.append(tracks)
            times.append(np.full(len(tracks), frame))
    return np.concatenate([_to_rows(np.concatenate(times), np.concatenate(found)), _filled_gaps(built)])


def _forget(tracker: BaseTracker, gap: int) -> None:
    """Drop lost tracks that the next frame may no longer continue.

    ByteTrack and BoT-SORT in BoxMOT strike a track off one frame late and match it once more after that; a track
    revived so is dropped for good when it is next unseen. Dropping it here makes `max_gap` exact, and leaves the
    list of tracks that were struck off without a purpose.
    """
    if hasattr(tracker, "lost_stracks"):
        first = tracker.frame_count + 1 - gap
        tracker.lost_stracks = [track for track in tracker.lost_stracks if track.end_frame >= first]
        tracker.removed_stracks.clear()


def _filled_gaps(tracker: BaseTracker) -> np.ndarray:
    """The boxes that OccluBoost's global association puts into gaps once the sequence is over."""
    if not getattr(tracker, "_gta_gap_entries", None):
        return np.empty((0, 8))
    filled = tracker.flush_gta()  # frame, then a track's row
    return _to_rows(filled[:, 0], filled[:, 1:])


def _to_rows(frames: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """BoxMOT's x1, y1, x2, y2, id, score, class, detection (single floats) to this module's columns."""
    tracks = np.asarray(tracks, np.float32).astype(np.float64)
    rows = np.empty((len(tracks), 8))
    rows[:, FRAME] = frames
    rows[:, [ID, SCORE, CLASS]] = tracks[:, 4:7]
    rows[:, LEFT : TOP + 1] = tracks[:, :2]
    rows[:, WIDTH : HEIGHT + 1] = tracks[:, 2:4] - tracks[:, :2]
    rows[:, SCORE] = np.clip(rows[:, SCORE], 0, 1)  # BoostTrack's boosts may pass 1, of which BoxMOT makes an error
    return rows[np.isfinite(rows).all(axis=1) & (rows[:, WIDTH] > 0) & (rows[:, HEIGHT] > 0)]


def _number_by_appearance(rows: np.ndarray) -> np.ndarray:
    """Ids from 1: by first frame, then class, then the tracker's own id; rows sorted by frame and id."""
    ordered = rows[np.lexsort((rows[:, ID], rows[:, CLASS], rows[:, FRAME]))]
    _, first, inverse = np.unique(ordered[:, ID], return_index=True, return_inverse=True)
    numbers = np.empty(len(first))
    numbers[np.argsort(first)] = np.arange(1, len(first) + 1)
    ordered[:, ID] = numbers[inverse]
    return ordered[np.lexsort((ordered[:, ID], ordered[:, FRAME]))]
