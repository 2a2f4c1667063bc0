"""Tracking three trackers over stored detections against detection alone: ``python -m benchmarks.tracking CHECKPOINT``.

Runs in a project after `dvc repro`, start-up excluded: the network over the test sequences of every
source (detection: decoding, the network, NMS), then ByteTrack, OC-SORT and BoT-SORT with their defaults over the
detections that `dvc repro` stored (tracking: reading them, decoding frames for BoT-SORT, writing text). Prints the
times, the fastest of three runs each, and their ratio.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from stages.detectors.card import MODELS
from stages.detectors.checkpoint import load_detector
from stages.detectors.recording import ClassMap, detect_sequence
from stages.errors import run_stage
from stages.params import Params, Tracker, load_params
from stages.params.trackers import BotSort, ByteTrack, OcSort
from stages.sequences.archive import Sequence
from stages.sequences.detections import DETECTIONS, read_detections
from stages.sequences.index import open_sequence, test_sequences
from stages.sequences.tracks import format_tracks
from stages.tracking.sequence import track_sequences

RUNS = 3
TRACKERS = (ByteTrack(type="bytetrack"), OcSort(type="ocsort"), BotSort(type="botsort"))


def main(checkpoint: str) -> None:
    """Time both and print."""
    params = load_params()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    sequences = [(source, open_sequence(source, name)) for source, name in test_sequences(params)]
    frames = sum(sequence.info.length for _, sequence in sequences)
    detection = fastest(detecting(params, checkpoint, sequences))
    print(f"{frames} frames of {len(sequences)} sequences, checkpoint {checkpoint}")
    print(f"{'detection':<15}{detection:7.2f} s{1000 * detection / frames:7.2f} ms a frame")
    total = 0.0
    for tracker in TRACKERS:
        seconds = fastest(tracking(params, checkpoint, sequences, tracker))
        total += seconds
        print(f"{tracker.type:<15}{seconds:7.2f} s{1000 * seconds / frames:7.2f} ms a frame")
    print(f"three trackers / detection alone: {total / detection:.2f}")


def fastest(run: Callable[[], None]) -> float:
    """Seconds of the fastest of `RUNS` runs, behind one that warms up."""
    seconds = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def detecting(params: Params, checkpoint: str, sequences: list[tuple[str, Sequence]]) -> Callable[[], None]:
    """What `stages.detect` does with a loaded network, short of writing."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    detector, card = load_detector(MODELS / checkpoint, device)
    class_map = ClassMap(card.architecture.classes, params.classes, checkpoint)

    def run() -> None:
        for _, sequence in sequences:
            detect_sequence(detector, sequence, params.evaluation.detection, card.image_size, class_map)

    return run


def tracking(
    params: Params, checkpoint: str, sequences: list[tuple[str, Sequence]], tracker: Tracker
) -> Callable[[], None]:
    """What `stages.track` does, short of writing."""
    classes = len(params.classes)

    def run() -> None:
        jobs = []
        for source, sequence in sequences:
            path = DETECTIONS / checkpoint / source / f"{sequence.path.stem}.parquet"
            jobs.append((sequence, read_detections(path, sequence.info.length, classes)))
        for tracks in track_sequences(jobs, tracker, classes):
            format_tracks(tracks)

    return run


if __name__ == "__main__":
    run_stage(main)
