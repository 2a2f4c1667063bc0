"""Small scenes for tracker tests: archives with textured, panning frames and made-up detections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from pydantic import TypeAdapter

from stages.params.trackers import Tracker
from stages.sequences.archive import Sequence, SequenceInfo, write_archive
from stages.tracking.inputs import TrackingInput

ALL = ("bytetrack", "ocsort", "botsort", "strongsort", "deepocsort", "hybridsort", "boosttrack", "occluboost", "sfsort")
BY_APPEARANCE = ("botsort", "strongsort", "deepocsort", "hybridsort", "boosttrack", "occluboost")

Box = tuple[float, float, float, float, float, int]  # left, top, width, height, score, class


def scene(
    path: Path, *, fps: float = 10, length: int = 60, pan: int = 0, size: tuple[int, int] = (320, 192)
) -> Sequence:
    """A sequence of ``length`` frames whose camera pans by ``pan`` pixels a frame over a fixed texture."""
    width, height = size
    patches = np.random.default_rng(0).integers(0, 255, (height // 24, (width + pan * length) // 24, 3), np.uint8)
    ground = cv2.resize(patches, (width + pan * length, height), interpolation=cv2.INTER_CUBIC)
    frames = (cv2.imencode(".png", ground[:, i * pan : i * pan + width])[1].tobytes() for i in range(length))
    gt = np.array([[1, 1, 0, 0, 10, 10, 1, 1, 1]], float)
    write_archive(path, SequenceInfo(path.stem, fps, width, height, length, ".png"), frames, gt)
    return Sequence(path)


def detections(length: int, boxes: Callable[[int], Iterable[Box]]) -> np.ndarray:
    """(N, 7) detections of frames 1 to ``length``, from what ``boxes`` gives for each."""
    rows = [
        [frame, left, top, left + width, top + height, score, label]
        for frame in range(1, length + 1)
        for left, top, width, height, score, label in boxes(frame)
    ]
    return np.array(rows, float).reshape(-1, 7)


def busy(length: int, seed: int = 0) -> np.ndarray:
    """A crowd of people and cars that cross, shake, fade to low scores and vanish for a while."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 280, (14, 2)) * (1, 0.5), rng.uniform(-6, 6, (14, 2)) * (1, 0.4)

    def boxes(frame: int) -> Iterable[Box]:
        for index in range(14):
            left, top = start[index] + speed[index] * frame + rng.normal(0, 1.5, 2)
            if rng.random() > 0.15 and (frame + index * 5) % 23 > 4:
                score = float(np.clip(rng.normal(0.62, 0.22), 0.02, 0.99))
                yield left, top, 22 + rng.normal(0, 1), 44 + rng.normal(0, 2), score, index % 2

    return detections(length, boxes)


def looks(table: np.ndarray, size: int = 32) -> np.ndarray:
    """Embeddings (N, size) of made-up detections: each class has a look, each row a little of its own."""
    rng = np.random.default_rng(0)
    common, own = rng.normal(size=(int(table[:, 6].max(initial=0)) + 1, size)), rng.normal(size=(len(table), size))
    found = common[table[:, 6].astype(int)] + 0.4 * own
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def make(kind: str, **options: object) -> Tracker:
    """A tracker from params, by appearance where it can be so unless ``reid=None``."""
    reid = {"reid": "looks"} if kind in BY_APPEARANCE else {}
    return TypeAdapter(Tracker).validate_python({"type": kind, **reid, **options})


def arrays(
    table: np.ndarray,
    embeddings: np.ndarray | None = None,
    warps: np.ndarray | None = None,
    *,
    fps: float = 10,
    length: int = 60,
    size: tuple[int, int] = (320, 192),
) -> TrackingInput:
    """What a tracker is given of a sequence; a camera that stands, if no ``warps`` are given."""
    warps = np.tile(np.eye(2, 3), (length, 1, 1)) if warps is None else warps
    return TrackingInput(fps, *size, length, table, embeddings, warps)


def given(
    sequence: Sequence,
    table: np.ndarray,
    embeddings: np.ndarray | None = None,
    warps: np.ndarray | None = None,
) -> TrackingInput:
    """The same for a sequence that there is."""
    info = sequence.info
    return arrays(table, embeddings, warps, fps=info.fps, length=info.length, size=(info.width, info.height))
