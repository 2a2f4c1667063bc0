"""What a tracker is given of a sequence: arrays alone, no frame and no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.params import Tracker
from stages.sequences.seeds import generator

_REMEDY = "the stored data do not fit one another: run `dvc repro`"


@dataclass(frozen=True)
class TrackingInput:
    """A sequence as trackers see it."""

    fps: float  # frames a second
    width: int  # pixels
    height: int  # pixels
    length: int  # frames
    detections: np.ndarray  # (N, 7) frame (from 1), x1, y1, x2, y2 (pixels), score, class (from 0)
    # (N, D) float32, row by row with the detections, each of length 1, or 0 for a box without a look
    embeddings: np.ndarray | None = None
    warps: np.ndarray | None = None  # (length, 2, 3) the camera's motion since the frame before, pixels
    name: str = "a sequence"  # for errors


@dataclass(frozen=True)
class Rows:
    """Detections that trackers can use: finite, in the sequence, with an area; sorted by frame, as single floats."""

    frames: np.ndarray  # (N,) int64, from 1, ascending
    boxes: np.ndarray  # (N, 6) float32: x1, y1, x2, y2, score, class
    embeddings: np.ndarray | None  # (N, D) float32, each of length above 0

    def of_class(self, number: int) -> Rows:
        """The rows of one class."""
        return self._take(np.flatnonzero(self.boxes[:, 5] == number))

    def _take(self, rows: np.ndarray) -> Rows:
        if np.array_equal(rows, np.arange(len(self.frames))):
            return self  # embeddings take long to copy
        embeddings = None if self.embeddings is None else self.embeddings[rows]
        return Rows(self.frames[rows], self.boxes[rows], embeddings)


def usable_rows(given: TrackingInput, tracker: Tracker, classes: int) -> Rows:
    """The detections that ``tracker`` can use; boxes without area are left out, as no tracker can use them.

    Raises `InputError` naming the sequence: numbers that are not finite, a frame outside the sequence, an unknown
    class, a score outside 0 to 1, or embeddings or camera motion that are missing or do not fit.
    """
    table = np.asarray(given.detections, np.float64).reshape(-1, 7)
    _check_table(given, table, classes)
    _check_warps(given, tracker)
    embeddings = _checked_embeddings(given, tracker, len(table))
    boxes = table[:, 1:].astype(np.float32)
    keep = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    order = keep[np.argsort(table[keep, 0], kind="stable")]
    return Rows(table[:, 0].astype(np.int64), boxes, embeddings)._take(order)


def _check_table(given: TrackingInput, table: np.ndarray, classes: int) -> None:
    findings = (
        (~np.isfinite(table).all(axis=1), "detections hold numbers that are not finite"),
        ((table[:, 0] < 1) | (table[:, 0] > given.length), f"detections outside frames 1 to {given.length}"),
        ((table[:, 5] < 0) | (table[:, 5] > 1), "detections with a score outside 0 to 1"),
        (~np.isin(table[:, 6], np.arange(classes)), f"detections of a class outside 0 to {classes - 1}"),
    )
    for wrong, what in findings:
        if wrong.any():
            raise InputError(given.name, f"{what} (row {int(np.argmax(wrong))})", _REMEDY)


def _checked_embeddings(given: TrackingInput, tracker: Tracker, rows: int) -> np.ndarray | None:
    if tracker.reid is None:
        return None
    if given.embeddings is None:
        raise InputError(given.name, f"`{tracker.type}` tracks by appearance, and there are no embeddings", _REMEDY)
    embeddings = np.asarray(given.embeddings, np.float32)
    if embeddings.ndim != 2 or len(embeddings) != rows:
        raise InputError(given.name, f"embeddings {embeddings.shape} do not fit {rows} detections", _REMEDY)
    lengths = np.linalg.norm(embeddings, axis=1)
    if not np.isfinite(lengths).all():
        raise InputError(given.name, "embeddings that are not finite", _REMEDY)
    return embeddings if lengths.all() else _unlike_all(embeddings, lengths == 0)


def _unlike_all(embeddings: np.ndarray, blank: np.ndarray) -> np.ndarray:
    """``embeddings`` (N, D) with those that are ``blank``, (N,) bool, in random directions, the same ones every time.

    A cosine with 0 is NaN in BoxMOT's BoT-SORT and StrongSORT. A random direction is nearly at right angles to every
    look and to every other one: a box without a look is like no other, and is tracked by its place.
    """
    drawn = generator(0, "box without a look").standard_normal((int(blank.sum()), embeddings.shape[1]))
    result = embeddings.copy()
    result[blank] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return result


def _check_warps(given: TrackingInput, tracker: Tracker) -> None:
    if tracker.camera_motion is None:
        return
    if given.warps is None:
        what = f"`{tracker.type}` compensates for camera motion, and none is stored"
        raise InputError(given.name, what, _REMEDY)
    if given.warps.shape != (given.length, 2, 3) or not np.isfinite(given.warps).all():
        what = f"camera motion {given.warps.shape} is not finite or does not fit {given.length} frames"
        raise InputError(given.name, what, _REMEDY)
