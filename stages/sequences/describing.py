"""Goes once through a sequence's frames for all that is computed from them besides detections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

import numpy as np

from stages.params import Params
from stages.sequences.boxes import read_boxes
from stages.sequences.index import open_sequence

Result = TypeVar("Result")
Frames = Iterable[np.ndarray]  # (H, W, 3) uint8 blue-green-red

# (frame, boxes (n, 4) x1, y1, x2, y2) to (n, D) float32; has the attribute `dimension`, D.
Embedder = Callable[[np.ndarray, np.ndarray], np.ndarray]
# (frames, detections (N, 7), length) to (length, 2, 3), pixels.
Estimator = Callable[[Frames, np.ndarray, int], np.ndarray]


@dataclass
class Described:
    """What was computed of a sequence; the keys are those of `Describing`."""

    frames: np.ndarray  # (N,) of each box, from 1
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # (N, D) float16
    warps: dict[str, np.ndarray] = field(default_factory=dict)  # (length, 2, 3) float64


class Describing:
    """Describes sequences: embeddings of the boxes that are tracked, and the camera's motion.

    ``embedders`` make an appearance model ready, ``estimators`` estimate camera motion; both are by name and pickle.
    """

    def __init__(
        self,
        params: Params,
        detections: Path,
        embedders: Mapping[str, Callable[[str], Embedder]],
        estimators: Mapping[str, Estimator],
    ):
        self._params, self._detections = params, detections
        self._embedders, self._estimators = dict(embedders), dict(estimators)
        self._ready: dict[str, Embedder] = {}

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_ready": {}}

    def load(self) -> None:
        """Make the appearance models ready, on a GPU if there is one."""
        if self._embedders and not self._ready:
            import torch

            device = "cuda" if torch.cuda.is_available() else "cpu"
            if device == "cpu":
                torch.set_num_threads(1)  # before a model takes its threads
            self._ready = {name: make(device) for name, make in self._embedders.items()}

    def __call__(self, job: tuple[str, str]) -> Described:
        """Describe (source, sequence)."""
        self.load()
        sequence = open_sequence(*job)
        length = sequence.info.length
        boxes = read_boxes(self._params, self._detections, job[0], sequence)
        consumers: dict[tuple[str, str], Callable[[Frames], np.ndarray]] = {}
        for name, embedder in self._ready.items():
            consumers["embeddings", name] = lambda frames, embedder=embedder: embed_all(embedder, frames, boxes)
        for name, estimate in self._estimators.items():
            consumers["warps", name] = lambda frames, estimate=estimate: estimate(frames, boxes, length)
        results = share((sequence.frame(number) for number in range(1, length + 1)), list(consumers.values()))
        described = Described(boxes[:, 0].astype(np.int32))
        for (kind, name), result in zip(consumers, results, strict=True):
            getattr(described, kind)[name] = result
        return described


def embed_all(embedder: Embedder, frames: Frames, boxes: np.ndarray) -> np.ndarray:
    """Embeddings of ``boxes`` (N, 7), see `read_detections`, in all ``frames``: (N, D) float16, row by row."""
    result = np.zeros((len(boxes), embedder.dimension), np.float16)
    for number, frame in enumerate(frames, start=1):
        rows = np.flatnonzero(boxes[:, 0] == number)
        if len(rows):
            result[rows] = embedder(frame, boxes[rows, 1:5])
    return result


def share(frames: Frames, consumers: list[Callable[[Frames], Result]]) -> list[Result]:
    """What each consumer makes of the same ``frames``, which are gone through once; few are held at a time.

    Raises what the frames, or else the first consumer that fails, raise.
    """
    if len(consumers) < 2:
        return [consume(frames) for consume in consumers]
    ends = [_End(consume) for consume in consumers]
    try:
        for frame in frames:
            for end in ends:
                end.put(frame)
            if any(end.error for end in ends):
                break
    finally:
        for end in ends:
            end.close()
    for end in ends:
        if end.error:
            raise end.error
    return [end.result for end in ends]


_LAST = object()


class _End:
    """A consumer in a thread of its own."""

    def __init__(self, consume: Callable[[Frames], Any]):
        self._queue: Queue = Queue(maxsize=4)
        self.result: Any = None
        self.error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(consume,), daemon=True)
        self._thread.start()

    def put(self, frame: np.ndarray) -> None:
        self._queue.put(frame)

    def close(self) -> None:
        self._queue.put(_LAST)
        self._thread.join()

    def _run(self, consume: Callable[[Frames], Any]) -> None:
        try:
            self.result = consume(self)
        except BaseException as error:
            self.error = error
        for _ in self:  # whoever fills the queue must not wait for a consumer that has had enough
            pass

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        frame = _LAST if self._ended else self._queue.get()
        self._ended = frame is _LAST
        if self._ended:
            raise StopIteration
        return frame
