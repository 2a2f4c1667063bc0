"""A frame's detections going into BoxMOT's kernels and its tracks coming out, without checks and second copies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from boxmot.trackers.common.tracking.formatting import TrackFormattingMixin

from stages.tracking.boxes import rows_of

_format_outputs = TrackFormattingMixin.format_outputs


def from_layout(
    cls: type, dets: np.ndarray, layout: Any, embs: np.ndarray | None = None, masks: Any = None, copy: bool = True
) -> Any:
    """BoxMOT's batch of detections (n, 6): x1, y1, x2, y2, score, class. Embeddings are shared: none is written to."""
    return cls(
        boxes=dets[:, :4].copy(),
        confs=dets[:, 4].copy(),
        clss=dets[:, 5].astype(np.int32),
        det_inds=np.arange(len(dets), dtype=np.int32),
        embs=embs,
    )


def with_embs(self: Any, embs: np.ndarray | None) -> Any:
    """The same batch with embeddings, shared."""
    return type(self)(self.boxes, self.confs, self.clss, self.det_inds, embs)


def indexed(self: Any, dtype: type = np.float32) -> np.ndarray:
    """Boxes, scores, classes and places in the frame, (n, 7)."""
    rows = np.empty((len(self.boxes), 7), dtype)
    rows[:, :4], rows[:, 4], rows[:, 5], rows[:, 6] = self.boxes, self.confs, self.clss, self.det_inds
    return rows


def scored(self: Any, dtype: type = np.float32) -> np.ndarray:
    """Boxes and scores, (n, 5)."""
    rows = np.empty((len(self.boxes), 5), dtype)
    rows[:, :4], rows[:, 4] = self.boxes, self.confs
    return rows


def association_boxes(self: Any, items: np.ndarray | Iterable[Any]) -> np.ndarray:
    """x1, y1, x2, y2 of boxes or of tracks, (n, 4)."""
    if isinstance(items, np.ndarray):
        return items[:, :4]
    tracks = list(items)
    if not tracks:
        return np.empty((0, 4), np.float32)
    if hasattr(tracks[0], "_current_aabb_xywh"):
        return rows_of(tracks)
    return np.asarray([track.xyxy for track in tracks])


def output_row(
    self: Any, box: np.ndarray, track_id: int, conf: float, cls: int, det_ind: int, dtype: type = np.float32
) -> np.ndarray:
    """A track's row: x1, y1, x2, y2, id, score, class, place in the frame."""
    row = np.empty(8, dtype)
    row[:4] = box
    row[4:] = track_id, conf, cls, det_ind
    return row


def output_rows(self: Any, tracks: list[Any], dtype: type = np.float32) -> np.ndarray:
    """The rows of ByteTrack's and BoT-SORT's tracks, (n, 8); BoxMOT's own of other trackers."""
    if not tracks or not hasattr(tracks[0], "_current_aabb_xywh"):
        return _format_outputs(self, tracks, dtype)
    rows = np.empty((len(tracks), 8), dtype)
    rows[:, :4] = rows_of(tracks)
    rows[:, 4:] = [(track.id, track.conf, track.cls, track.det_ind) for track in tracks]
    return rows
