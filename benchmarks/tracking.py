"""Nine trackers from stored arrays, against detection and BoxMOT: ``python -m benchmarks.tracking CHECKPOINT``.

Runs in a project after `dvc repro`. Each tracker has its defaults and, where it can, appearance: random unit
embeddings of 512 numbers, stored as `stages.features` stores them. Prints, start-up excluded, each time the fastest of
three runs, behind one that warms up:

- nine trackers over one checkpoint's detections (reading, tracking, writing text; all cores), against one detection
  pass of the checkpoint (decoding, the network, NMS; all cores);
- ByteTrack from stored detections against BoxMOT's own loop, `update(detections, frame)`, on the same arrays, one core;
- nine trackers from stored arrays, with one detection pass and one estimate of each kind of camera motion, against
  detector and tracker run nine times, each with BoxMOT's own loop and estimator. Embedding is left out on both sides:
  here it would count once, there six times.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import TypeAdapter

from stages.detectors.card import MODELS
from stages.detectors.checkpoint import load_detector
from stages.detectors.recording import ClassMap, detect_sequence
from stages.errors import run_stage
from stages.fanout import Engine, fan_out
from stages.params import Params, Tracker, load_params
from stages.sequences.archive import Sequence as Archive
from stages.sequences.detections import DETECTIONS, read_detections
from stages.sequences.features import read_embeddings, read_warps, write_embeddings, write_warps
from stages.sequences.index import open_sequence, test_sequences
from stages.sequences.tracks import format_tracks
from stages.tracking.camera import estimate_motion
from stages.tracking.inputs import TrackingInput
from stages.tracking.options import boxmot_options, load_defaults
from stages.tracking.sequence import prepare, track_sequence

RUNS = 3
EMBEDDING = 512
_MOTION_ALONE = ("bytetrack", "ocsort", "sfsort")
_KINDS = (*_MOTION_ALONE, "botsort", "strongsort", "deepocsort", "hybridsort", "boosttrack", "occluboost")
TRACKERS: list[Tracker] = [
    TypeAdapter(Tracker).validate_python({"type": kind} | ({} if kind in _MOTION_ALONE else {"reid": "random"}))
    for kind in _KINDS
]


@dataclass(frozen=True)
class Store:
    """Where the arrays of the test sequences lie."""

    checkpoint: str
    features: Path
    names: Sequence[tuple[str, str]]
    classes: int

    def read(self, job: tuple[str, str], tracker: Tracker) -> TrackingInput:
        """What a tracker is given of a sequence."""
        source, name = job
        info = open_sequence(source, name).info
        table = read_detections(DETECTIONS / self.checkpoint / source / f"{name}.parquet", info.length, self.classes)
        folder = self.features / source
        embeddings = read_embeddings(folder / f"{name}.parquet", table[:, 0]) if tracker.reid else None
        method = tracker.camera_motion
        warps = read_warps(folder / f"{name}.{method}.parquet", info.length) if method else None
        return TrackingInput(info.fps, info.width, info.height, info.length, table, embeddings, warps)


@dataclass(frozen=True)
class Tracked:
    """A job of `fan_out`: read a sequence's arrays, track, format."""

    store: Store
    tracker: Tracker

    def load(self) -> None:
        """Import what the tracker needs."""
        prepare(self.tracker)

    def __call__(self, job: tuple[str, str]) -> int:
        """The length of the tracks' text."""
        return len(format_tracks(track_sequence(self.store.read(job, self.tracker), self.tracker, self.store.classes)))


def main(checkpoint: str) -> None:
    """Time and print."""
    params = load_params()
    names = test_sequences(params)
    frames = sum(open_sequence(*name).info.length for name in names)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(checkpoint, Path(folder), names, len(params.classes))
        print(f"{frames} frames of {len(names)} sequences, checkpoint {checkpoint}")
        detection = shown("detection", fastest(detecting(params, checkpoint, names)), frames)
        motion = {method: fastest(lambda m=method: store_motion(store, m), 0) for method in ("sof", "ecc")}
        for method, seconds in motion.items():
            shown(f"camera motion, {method}", seconds, frames)
        store_looks(store)
        ours, theirs = [time_ours(store, tracker, frames) for tracker in TRACKERS], []
        peers = [time_boxmot(store, tracker) for tracker in TRACKERS]
        for tracker, seconds in zip(TRACKERS, peers, strict=True):
            theirs.append(shown(f"BoxMOT's own {tracker.type}", seconds, frames))
        report(detection, sum(motion.values()), ours, theirs)
        compare_bytetrack(store, TRACKERS[0])


def report(detection: float, motion: float, ours: list[float], theirs: list[float]) -> None:
    """The two ratios of nine trackers."""
    print(f"nine trackers / one detection pass: {sum(ours) / detection:.2f}")
    cores = len(os.sched_getaffinity(0))
    online = 9 * detection + sum(theirs) / cores  # as if BoxMOT's loop ran on all cores too
    print(f"detector and tracker nine times / stored once: {online / (detection + motion + sum(ours)):.2f}")


def fastest(run: Callable[[], object], warm: int = 1, runs: int = RUNS) -> float:
    """Seconds of the fastest of ``runs`` runs, behind ``warm`` that warm up."""
    seconds = []
    for _ in range(runs + warm):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds[warm:])


def shown(name: str, seconds: float, frames: int) -> float:
    """Print a time and give it back."""
    print(f"{name:<28}{seconds:7.2f} s{1000 * seconds / frames:8.2f} ms a frame", flush=True)
    return seconds


def detecting(params: Params, checkpoint: str, names: Sequence[tuple[str, str]]) -> Callable[[], None]:
    """What `stages.detect` does with a loaded network, short of writing."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    detector, card = load_detector(MODELS / checkpoint, device)
    class_map = ClassMap(card.architecture.classes, params.classes, checkpoint)

    def run() -> None:
        for name in names:
            detect_sequence(detector, open_sequence(*name), params.evaluation.detection, card.image_size, class_map)

    return run


def store_motion(store: Store, method: str) -> None:
    """Estimate and store the camera's motion in all sequences, on all cores."""
    list(fan_out(Motion(store, method), store.names, Engine(), names=["/".join(name) for name in store.names]))


@dataclass(frozen=True)
class Motion:
    """A job of `fan_out`: estimate and store the camera's motion in a sequence."""

    store: Store
    method: str

    def __call__(self, job: tuple[str, str]) -> None:
        """Write it."""
        given, sequence = self.store.read(job, TRACKERS[0]), open_sequence(*job)
        warps = estimate_motion(images(sequence), given.detections, given.length, self.method)
        write_warps(self.store.features / job[0] / f"{job[1]}.{self.method}.parquet", warps)


def images(sequence: Archive) -> list[np.ndarray]:
    """All frames."""
    return [sequence.frame(number) for number in range(1, sequence.info.length + 1)]


def store_looks(store: Store) -> None:
    """Random unit embeddings for all detections."""
    rng = np.random.default_rng(0)
    for source, name in store.names:
        table = store.read((source, name), TRACKERS[0]).detections
        found = rng.normal(size=(len(table), EMBEDDING))
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        write_embeddings(store.features / source / f"{name}.parquet", table[:, 0], found.astype(np.float32))


def time_ours(store: Store, tracker: Tracker, frames: int) -> float:
    """Seconds of tracking all sequences on all cores; prints them, and what one core takes to read and to track."""
    names = ["/".join(name) for name in store.names]
    seconds = fastest(lambda: list(fan_out(Tracked(store, tracker), store.names, Engine(), names=names)))
    reading = fastest(lambda: [store.read(name, tracker) for name in store.names])
    given = [store.read(name, tracker) for name in store.names]
    tracking = fastest(lambda: [track_sequence(each, tracker, store.classes) for each in given], 0)
    parts = f"(one core: reading {1000 * reading / frames:.2f}, tracking {1000 * tracking / frames:.2f} ms a frame)"
    print(f"{tracker.type:<28}{seconds:7.2f} s{1000 * seconds / frames:8.2f} ms a frame  {parts}", flush=True)
    return seconds


def time_boxmot(store: Store, tracker: Tracker) -> float:
    """Seconds of BoxMOT's own loop over all sequences, on one core: one run, for some take long."""
    given = [(store.read(name, tracker), images(open_sequence(*name))) for name in store.names]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    seconds = fastest(lambda: [boxmots_loop(each, shots, tracker) for each, shots in given], 0, 1)
    cv2.setNumThreads(threads)
    return seconds


def compare_bytetrack(store: Store, tracker: Tracker) -> None:
    """ByteTrack against BoxMOT's own loop on the same arrays, run in turns on one core; one tracker for all classes."""
    one = tracker.model_copy(update={"per_class": False})
    given = [store.read(name, one) for name in store.names]
    blank = [[np.zeros((each.height, each.width, 3), np.uint8)] * each.length for each in given]
    pairs = []
    for _ in range(2 * RUNS):
        ours = fastest(lambda: [track_sequence(each, one, store.classes) for each in given], 0, 1)
        peers = zip(given, blank, strict=True)
        pairs.append((ours, fastest(lambda p=peers: [boxmots_loop(each, shots, one) for each, shots in p], 0, 1)))
    ours, theirs = (min(each) for each in zip(*pairs, strict=True))
    print(f"ByteTrack's throughput from stored arrays / BoxMOT's own loop: {theirs / ours:.2f}")


def boxmots_loop(given: TrackingInput, frames: Sequence[np.ndarray], tracker: Tracker) -> None:
    """`update` frame by frame, with BoxMOT's estimator of camera motion; classes apart where ours are."""
    from boxmot.structures import Boxes, Detections
    from boxmot.trackers.registry import get_tracker_class

    options = load_defaults(tracker.type) | boxmot_options(tracker, given.fps) | {"per_class": tracker.per_class}
    built = get_tracker_class(tracker.type)(**options)
    table = given.detections[np.argsort(given.detections[:, 0], kind="stable")]
    bounds = np.searchsorted(table[:, 0], np.arange(1, given.length + 2))
    for number, image in enumerate(frames):
        rows = slice(*bounds[number : number + 2])
        if given.embeddings is None:
            built.update(table[rows, 1:], image)
            continue
        values = torch.from_numpy(table[rows].astype(np.float32))
        detections = Detections(
            geometry=Boxes(values[:, 1:5].contiguous()),
            scores=values[:, 5].contiguous(),
            class_ids=values[:, 6].to(torch.int64),
            sample_id="frame",
            embeddings=torch.from_numpy(given.embeddings[rows]),
        )
        built.update(detections, image)


if __name__ == "__main__":
    run_stage(main)
