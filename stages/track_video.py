"""Tracks your own video: `python -m stages.track_video VIDEO --checkpoint models/stage2 --tracker bytetrack`.

VIDEO is anything that FFmpeg decodes, or a folder of images (with `--fps`). The tracker is one of params.yaml's, or one
of BoxMOT's with its defaults. Writes FOLDER/NAME.mp4, the video with boxes, ids and trails, and FOLDER/NAME.txt in
MOTChallenge's columns; FOLDER is `tracked`, or what --out names. Reads models/ and, if it is there, params.yaml, for
the trackers, classes and limits of detection.

It goes through the video twice: to detect, then, once all is tracked, to draw; and once between for a tracker that
wants appearance or the camera's motion. No more than two batches of frames are ever held.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages.errors import InputError, run_stage
from stages.files import replacing
from stages.params import Params, Tracker, load_params
from stages.params.model import Detection
from stages.sequences.tracks import format_tracks
from stages.tracking.choosing import choose_tracker
from stages.video.frames import Footage, Frame, frame_rate
from stages.video.opening import open_footage
from stages.video.progress import Progress

Embedder = Callable[[np.ndarray, np.ndarray], np.ndarray]  # a frame and boxes (n, 4) to (n, D)


@dataclass(frozen=True)
class Seen:
    """What the first pass found: detections (N, 7), see `TrackingInput`, of ``length`` frames at ``fps``."""

    detections: np.ndarray
    length: int
    fps: float
    width: int
    height: int


def main(video: str, *, checkpoint: str, tracker: str, out: str = "tracked", fps: str | None = None) -> None:
    """Track one video."""
    params = load_params() if Path("params.yaml").exists() else None
    chosen = choose_tracker(tracker, params.trackers if params else {})
    footage = open_footage(Path(video), fps)
    classes = _classes(Path(checkpoint), params)
    embed = _embedder(chosen.reid) if chosen.reid else None
    progress = Progress()
    with _stoppable(video), _outputs(footage, Path(out)) as (film, text):
        seen = detect(footage, Path(checkpoint), classes, params, progress)
        tracks = track(footage, seen, chosen, embed, progress)
        text.write_text(format_tracks(tracks), encoding="utf-8")
        draw(footage, seen, tracks, classes, film, f"{footage.name}   {Path(checkpoint).name}, {tracker}", progress)
    for warning in footage.warnings:
        print(f"{footage.path}: {warning}", file=sys.stderr)
    count = len(np.unique(tracks[:, 1]))
    print(f"{Path(out) / footage.name}.mp4: {seen.length} frames, {count} tracks; {progress.summary}")


@contextmanager
def _stoppable(video: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in one line, after what was begun is removed."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise InputError(video, "stopped, nothing was written", "run it again") from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _outputs(footage: Footage, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Where the video and the text are written, beside what they replace once all is done."""
    if folder.resolve() == footage.path.resolve().parent:
        what = "the video's own folder, where its name or its ground truth's may be taken"
        raise InputError(str(folder), what, "give another one with --out")
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"no folder to write to ({error.strerror.lower()})"
        raise InputError(str(folder), what, "give another one with --out") from None
    try:
        with replacing(folder / f"{footage.name}.mp4") as film, replacing(folder / f"{footage.name}.txt") as text:
            film.touch()  # what cannot be written is known before the work
            text.touch()
            yield film, text
    except BaseException:
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _classes(checkpoint: Path, params: Params | None) -> tuple[str, ...]:
    """The classes that are tracked: params.yaml's that the checkpoint knows some of, or else all of its own."""
    from stages.detectors.card import load_card  # loads torch

    theirs = load_card(checkpoint).architecture.classes
    return params.classes if params and set(params.classes) & set(theirs) else theirs


def detect(footage: Footage, folder: Path, classes: tuple[str, ...], params: Params | None, progress: Progress) -> Seen:
    """Detect in all frames, a batch at a time, as the stage `detect` does."""
    import torch

    from stages.detectors import frames as detecting
    from stages.detectors.checkpoint import load_detector
    from stages.detectors.recording import ClassMap

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    detector, card = load_detector(folder, _device())
    class_map = ClassMap(card.architecture.classes, classes, str(folder))
    settings = params.evaluation.detection if params else Detection()
    last: Frame | None = None
    times: list[float] = []

    def images() -> Iterator[np.ndarray]:
        nonlocal last
        for last in footage.frames():
            times.append(float(last.time))
            yield last.image

    found = detecting.detect(
        detector,
        images(),
        image_size=settings.image_size or card.image_size,
        batch=settings.batch,
        min_score=settings.min_score,
        nms_iou=settings.nms_iou,
        max_objects=settings.max_objects,
    )
    rows = [class_map(each) for each in progress.over(found, "detecting", footage.expected)]
    if last is None:
        raise InputError(str(footage.path), "no frame can be decoded", "is it whole, and a video?")
    frames = np.repeat(np.arange(1, len(rows) + 1), [len(each) for each in rows])
    table = np.column_stack([frames, np.concatenate(rows)]).astype(np.float64)
    # As `read_detections`: no tracker can use a box without area.
    table = table[(table[:, 3] > table[:, 1]) & (table[:, 4] > table[:, 2])]
    height, width = last.image.shape[:2]
    return Seen(table, len(rows), frame_rate(times, footage.fps), width, height)


def track(footage: Footage, seen: Seen, tracker: Tracker, embed: Embedder | None, progress: Progress) -> np.ndarray:
    """Tracks (M, 8) as `track_sequence` gives them, post-processed if the tracker says so."""
    from stages.tracking.inputs import TrackingInput
    from stages.tracking.postprocessing import postprocess
    from stages.tracking.sequence import track_sequence

    embeddings, warps = features(footage, seen, tracker.camera_motion, embed, progress)
    # Only classes that occur: a checkpoint of 80 would have 80 trackers run.
    present, compact = np.unique(seen.detections[:, 6], return_inverse=True)
    detections = np.column_stack([seen.detections[:, :6], compact])
    given = TrackingInput(seen.fps, seen.width, seen.height, seen.length, detections, embeddings, warps)
    tracks = track_sequence(given, tracker, max(1, len(present)))
    if len(tracks):
        tracks[:, 7] = present[tracks[:, 7].astype(int)]
    return tracks if tracker.postprocess is None else postprocess(tracks, tracker.postprocess, seen.fps)


def features(
    footage: Footage, seen: Seen, camera_motion: str | None, embed: Embedder | None, progress: Progress
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The embeddings of the detections and the camera's motion, each None where it is not wanted."""
    if not embed and not camera_motion:
        return None, None
    embeddings: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        frames = progress.over(footage.frames(), "looking again", seen.length)
        for frame, found in zip(frames, split_by_frame(seen.detections, seen.length), strict=True):
            if embed:
                # As stored by the stage `features`.
                embeddings.append(embed(frame.image, found[:, 1:5]).astype(np.float16))
            yield frame.image

    warps = _motion(images(), seen, camera_motion)
    return (np.concatenate(embeddings).astype(np.float32) if embed else None), warps


def _motion(images: Iterator[np.ndarray], seen: Seen, method: str | None) -> np.ndarray | None:
    """Go through the images; the camera's motion between them if a method is named."""
    if method is None:
        deque(images, maxlen=0)
        return None
    from stages.tracking.camera import estimate_motion

    return estimate_motion(images, seen.detections, seen.length, method)


def _embedder(name: str) -> Embedder:
    from stages.appearance.card import REID_MODELS
    from stages.appearance.embedding import load_embedder

    return load_embedder(REID_MODELS / name, _device())


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def split_by_frame(rows: np.ndarray, length: int) -> list[np.ndarray]:
    """Rows whose first column is the frame, ascending from 1, frame by frame."""
    return np.split(rows, np.searchsorted(rows[:, 0], np.arange(2, length + 1)))


def draw(
    footage: Footage,
    seen: Seen,
    tracks: np.ndarray,
    classes: tuple[str, ...],
    path: Path,
    title: str,
    progress: Progress,
) -> None:
    """The video with its tracks at ``path``, every frame shown when it was."""
    from stages.drawing.overlay import Overlay
    from stages.drawing.video import tracks_of, writing

    overlay = Overlay((seen.width, seen.height), classes, seen.fps, most=float("inf"))
    rate = Fraction(seen.fps).limit_denominator(1001)
    threads = len(os.sched_getaffinity(0))
    frames = progress.over(footage.frames(), "drawing", seen.length)
    with writing(path, overlay.size, rate, timed=True, threads=threads) as writer:
        for number, (frame, rows) in enumerate(zip(frames, split_by_frame(tracks, seen.length), strict=True), start=1):
            caption = f"{title}   {float(frame.time):5.1f} s"
            writer.write(overlay.draw(frame.image, number, tracks_of(rows), caption), frame.time)


if __name__ == "__main__":
    run_stage(main)
