"""Tracks drawn over their frames as H.264 in MP4, frame by frame. Equal input gives equal bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stages.drawing.overlay import Overlay, Track
from stages.files import replacing
from stages.sequences.annotations import corners
from stages.sequences.archive import Sequence as Archive
from stages.sequences.tracks import Tracks

MAX_SECONDS = 60.0  # of a sequence that are drawn
_TICKS = 90_000  # a second: whole numbers of them for the usual frame rates, 30000/1001 too
_BT709 = 1  # the number of ITU-R BT.709 in H.264, for each of the three that tell colours
# No macroblock tree, which now and then gives other bytes for the same frames.
_X264 = {"crf": "23", "preset": "veryfast", "x264-params": "mbtree=0"}


class Writer:
    """Encodes frames of one size into an open MP4; see `writing`."""

    def __init__(self, stream: av.VideoStream):
        self._stream, self._last = stream, -1

    def write(self, image: np.ndarray, time: Fraction | None = None) -> None:
        """Add a frame (H, W, 3) uint8 blue-green-red, shown from ``time`` in seconds, or evenly if none is given."""
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="bgr24")  # no copy
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        if time is not None:
            self._last = max(self._last + 1, round(time * _TICKS))
            frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
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
        yield Writer(stream)
        container.mux(stream.encode())


def by_frame(tracks: Tracks) -> dict[int, list[Track]]:
    """The track boxes of each frame."""
    frames: dict[int, list[Track]] = defaultdict(list)
    boxes = corners(tracks.boxes)
    for frame, track, label, box in zip(tracks.frames, tracks.ids, tracks.classes, boxes, strict=True):
        frames[int(frame)].append(Track(int(track), int(label), box))
    return frames


def tracks_of(rows: np.ndarray) -> list[Track]:
    """The track boxes of one frame, with their scores, from rows (n, 8) as `format_tracks` takes them."""
    boxes = corners(rows[:, 2:6])
    return [Track(int(row[1]), int(row[7]), box, float(row[6])) for row, box in zip(rows, boxes, strict=True)]


def write_video(
    path: Path, sequence: Archive, tracks: dict[int, list[Track]], classes: Sequence[str], title: str
) -> None:
    """Draw ``tracks`` over ``sequence`` at its own frame rate, its first minute at most, into ``path`` in one step."""
    rate = Fraction(sequence.info.fps).limit_denominator(1001)
    length = min(sequence.info.length, max(1, int(MAX_SECONDS * sequence.info.fps)))
    overlay = Overlay((sequence.info.width, sequence.info.height), classes, sequence.info.fps)
    with replacing(path) as partial, writing(partial, overlay.size, rate) as writer:
        for image in drawn_frames(overlay, sequence, tracks, title, length):
            writer.write(image)


def drawn_frames(
    overlay: Overlay, sequence: Archive, tracks: dict[int, list[Track]], title: str, length: int
) -> Iterator[np.ndarray]:
    """Each of the first ``length`` frames with its tracks, (H, W, 3) uint8 blue-green-red."""
    for number in range(1, length + 1):
        caption = f"{title}   {(number - 1) / sequence.info.fps:5.1f} s"
        yield overlay.draw(sequence.frame(number), number, tracks.get(number, ()), caption)
