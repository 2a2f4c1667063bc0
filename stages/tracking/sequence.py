"""Tracks one sequence from its stored detections: every frame in turn, one tracker to a class."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stages.params import Tracker
from stages.sequences.archive import Sequence
from stages.tracking.camera import share_camera_motion
from stages.tracking.options import build_tracker, gap_frames

if TYPE_CHECKING:
    from boxmot.trackers import Tracker as BoxmotTracker

# Columns of an array of tracks.
FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, SCORE, CLASS = range(8)


def track_sequences(jobs: list[tuple[Sequence, np.ndarray]], tracker: Tracker, classes: int) -> list[np.ndarray]:
    """Track sequences with their detections, as many at a time as there are cores; see `track_sequence`."""
    workers = min(len(jobs), len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    if workers < 2:
        return [track_sequence(sequence, detections, tracker, classes) for sequence, detections in jobs]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # a forked process would wait for threads that it does not have
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            futures = [pool.submit(track_sequence, *job, tracker, classes) for job in jobs]
            return [future.result() for future in futures]
    finally:
        cv2.setNumThreads(threads)


def track_sequence(sequence: Sequence, detections: np.ndarray, tracker: Tracker, classes: int) -> np.ndarray:
    """Track ``detections`` ((N, 7), see `read_detections`) through all frames of ``sequence``.

    Returns (M, 8) float64: frame, id, left, top, width, height (pixels), score, class (from 0), sorted by frame and
    id. Ids count from 1 in order of appearance and are never shared by two classes.
    """
    trackers = [build_tracker(tracker, sequence.info.fps) for _ in range(classes)]
    motion = share_camera_motion(trackers)
    blank = np.zeros((sequence.info.height, sequence.info.width, 3), np.uint8)
    needs_size = trackers[0].requirements.frame
    gap = gap_frames(tracker.max_gap, sequence.info.fps)
    by_frame = _split_by_frame(detections, sequence.info.length)
    rows: list[np.ndarray] = []
    for frame, found in enumerate(by_frame, start=1):
        image = blank if needs_size else None
        if motion:
            image = sequence.frame(frame)
            motion.see(image, found[:, :4])
        for number, each in enumerate(trackers):
            # Also without detections, so that time passes for the tracks.
            tracks = each.update(found[found[:, 5] == number], image)
            _forget(each, gap)
            rows.append(_to_rows(frame, number, tracks))
    return _number_by_appearance(np.concatenate(rows) if rows else np.empty((0, 8)))


def _split_by_frame(detections: np.ndarray, length: int) -> list[np.ndarray]:
    """(N, 6) x1, y1, x2, y2, score, class of each frame, from the first to the last; in the stored order."""
    ordered = detections[np.argsort(detections[:, 0], kind="stable")]
    bounds = np.searchsorted(ordered[:, 0], np.arange(2, length + 1))
    return np.split(np.ascontiguousarray(ordered[:, 1:]), bounds)


def _forget(tracker: BoxmotTracker, gap: int) -> None:
    """Drop lost tracks that the next frame may no longer continue.

    ByteTrack and BoT-SORT in BoxMOT strike a track off one frame late and match it once more after that; a track
    revived so is dropped for good when it is next unseen. Dropping it here makes `max_gap` exact.
    """
    if hasattr(tracker, "lost_stracks"):
        first = tracker.frame_count + 1 - gap
        tracker.lost_stracks = [track for track in tracker.lost_stracks if track.end_frame >= first]


def _to_rows(frame: int, number: int, tracks: np.ndarray) -> np.ndarray:
    """BoxMOT's x1, y1, x2, y2, id, score, class, detection to this module's columns."""
    rows = np.empty((len(tracks), 8))
    rows[:, FRAME], rows[:, CLASS] = frame, number
    rows[:, [ID, SCORE]] = tracks[:, [4, 5]]
    rows[:, LEFT : TOP + 1] = tracks[:, :2]
    rows[:, WIDTH : HEIGHT + 1] = tracks[:, 2:4] - tracks[:, :2]
    return rows


def _number_by_appearance(rows: np.ndarray) -> np.ndarray:
    """Ids from 1: by first frame, then class, then the tracker's own id; rows sorted by frame and id."""
    ordered = rows[np.lexsort((rows[:, ID], rows[:, CLASS], rows[:, FRAME]))]
    numbers: dict[tuple[float, float], int] = {}
    for row in ordered:
        row[ID] = numbers.setdefault((row[CLASS], row[ID]), len(numbers) + 1)
    return ordered[np.lexsort((ordered[:, ID], ordered[:, FRAME]))]
