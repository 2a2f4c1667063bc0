"""H.264 in MP4, frame by frame: decoded ahead and encoded behind what draws. Equal input gives equal bytes.

One thread decodes, one encodes and the caller draws, so that two cores are in use while x264, whose bytes depend on
its threads, has one. Each waits when it is a few frames ahead: memory does not grow with the length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stages.drawing.overlay import Track
from stages.drawing.views import View
from stages.files import replacing
from stages.sequences.annotations import corners
from stages.sequences.archive import Sequence as Archive

_AHEAD = 4  # frames
_TICKS = 90_000  # a second: whole numbers of them for the usual frame rates, 30000/1001 too
_BT709 = 1  # the number of ITU-R BT.709 in H.264, for each of the three that tell colours
# As large and as good as `veryfast` with crf 23 on such frames, in little more than half the time. No macroblock tree,
# which now and then gives other bytes for the same frames.
_X264 = {"crf": "24", "preset": "superfast", "x264-params": "mbtree=0"}


class Writer:
    """Encodes frames of one size into an open MP4; see `writing`."""

    def __init__(self, stream: av.VideoStream, pool: ThreadPoolExecutor):
        self._stream, self._pool, self._last = stream, pool, -1
        self._waiting: deque[Future] = deque()

    def write(self, image: np.ndarray, time: Fraction | None = None, *, key: bool = False) -> None:
        """Add a frame (H, W, 3) uint8 blue-green-red, shown from ``time`` in seconds on, or evenly if none is given.

        ``image`` is not to be changed any more. A player can begin at a ``key`` frame. Raises what encoding an earlier
        frame raised.
        """
        if time is not None:
            self._last = max(self._last + 1, round(time * _TICKS))
        ticks = None if time is None else self._last
        self._waiting.append(self._pool.submit(self._encode, image, ticks, key))
        self.finish(_AHEAD)

    def finish(self, all_but: int = 0) -> None:
        """Wait until at most so many frames are to be encoded."""
        while len(self._waiting) > all_but:
            self._waiting.popleft().result()

    def _encode(self, image: np.ndarray, ticks: int | None, key: bool) -> None:
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="bgr24")  # no copy
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        if ticks is not None:
            frame.pts, frame.time_base = ticks, Fraction(1, _TICKS)
        if key:
            frame.pict_type = av.video.frame.PictureType.I
        self._stream.container.mux(self._stream.encode(frame))


@contextmanager
def writing(
    path: Path, size: tuple[int, int], rate: Fraction, *, timed: bool = False, threads: int = 1
) -> Iterator[Writer]:
    """A `Writer` into the file at ``path``, whole once the context ends.

    ``size`` is width and height, both even; ``timed``: frames bring their own times. x264's bytes depend on its
    ``threads``.
    """
    # +bitexact keeps the muxer's version out of the file.
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264 | {"threads": str(threads)})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        stream.thread_count = threads
        # Said in the file: where nothing is said, players take large videos for this and small ones for another.
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        if timed:
            context.time_base = Fraction(1, _TICKS)
        with ThreadPoolExecutor(1, "encode") as pool:
            writer = Writer(stream, pool)
            yield writer
            writer.finish()
        container.mux(stream.encode())


def decoded(sequence: Archive, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Frames ``numbers`` (from 1) with their numbers, (H, W, 3) uint8 blue-green-red, decoded a few ahead."""
    waiting: deque[tuple[int, Future]] = deque()
    with ThreadPoolExecutor(1, "decode") as pool:
        for number in numbers:
            waiting.append((number, pool.submit(sequence.frame, number)))
            if len(waiting) > _AHEAD:
                number, frame = waiting.popleft()
                yield number, frame.result()
        while waiting:
            number, frame = waiting.popleft()
            yield number, frame.result()


def film(sequence: Archive, views: Mapping[Path, View], length: int) -> None:
    """Write each view of the first ``length`` frames as a video, at the sequence's own rate, in one step each.

    A frame is decoded once for all views.
    """
    rate = rate_of(sequence.info.fps)
    with ExitStack() as stack:
        partials = [stack.enter_context(replacing(path)) for path in views]
        writers = [
            stack.enter_context(writing(path, view.size, rate))
            for path, view in zip(partials, views.values(), strict=True)
        ]
        for number, frame in decoded(sequence, range(1, length + 1)):
            for view, writer in zip(views.values(), writers, strict=True):
                writer.write(view.draw(frame, number))


def frames_within(sequence: Archive, seconds: float) -> int:
    """How many frames of a sequence the first ``seconds`` hold, at least one."""
    return min(sequence.info.length, max(1, round(seconds * sequence.info.fps)))


def rate_of(fps: float) -> Fraction:
    """Frames a second as videos state them, 29.97 as 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


def tracks_of(rows: np.ndarray) -> list[Track]:
    """The track boxes of one frame, with their scores, from rows (n, 8) as `format_tracks` takes them."""
    boxes = corners(rows[:, 2:6])
    return [Track(int(row[1]), int(row[7]), box, float(row[6])) for row, box in zip(rows, boxes, strict=True)]
