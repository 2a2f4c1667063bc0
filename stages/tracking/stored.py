"""Tracks a sequence from what is stored of it: boxes, embeddings and the camera's motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.params import Params
from stages.sequences.boxes import read_boxes
from stages.sequences.detections import DETECTIONS
from stages.sequences.features import embeddings_path, read_embeddings, read_warps, warps_path
from stages.sequences.index import open_sequence
from stages.tracking.inputs import TrackingInput


@dataclass(frozen=True)
class Tracking:
    """Tracks sequences over a checkpoint's detections with the tracker called ``tracker``."""

    params: Params
    checkpoint: str
    tracker: str
    detections: Path = DETECTIONS

    def load(self) -> None:
        """Import BoxMOT, whose modules come with the first tracker that is built."""
        from stages.tracking.sequence import prepare

        prepare(self.params.trackers[self.tracker])

    def __call__(self, job: tuple[str, str]) -> tuple[np.ndarray, np.ndarray | None]:
        """Tracks (M, 8) of (source, sequence), see `track_sequence`; and post-processed, where that is asked for."""
        from stages.tracking.postprocessing import postprocess
        from stages.tracking.sequence import track_sequence

        tracker = self.params.trackers[self.tracker]
        given = self.read(*job)
        tracks = track_sequence(given, tracker, len(self.params.classes))
        done = postprocess(tracks, tracker.postprocess, given.fps) if tracker.postprocess else None
        return tracks, done

    def read(self, source: str, name: str) -> TrackingInput:
        """What the tracker is given of a sequence; raises `InputError` for what is missing, damaged or out of date."""
        tracker, sequence = self.params.trackers[self.tracker], open_sequence(source, name)
        info = sequence.info
        boxes = read_boxes(self.params, self.detections / self.checkpoint, source, sequence)
        sequence.close()
        embeddings = warps = None
        if tracker.reid:
            embeddings = read_embeddings(embeddings_path(self.checkpoint, tracker.reid, source, name), boxes[:, 0])
        if tracker.camera_motion:
            warps = read_warps(warps_path(self.checkpoint, tracker.camera_motion, source, name), info.length)
        return TrackingInput(
            info.fps, info.width, info.height, info.length, boxes, embeddings, warps, f"{source}/{name}"
        )
