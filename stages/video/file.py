"""Any video that FFmpeg decodes: turned upright as its display matrix says, with the times that its frames have.

What is damaged is left out and reported: a packet that cannot be decoded, and all behind the place where a file breaks
off. Sound and subtitles are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from stages.errors import InputError
from stages.video.frames import RATES, Footage, Frame


class VideoFile(Footage):
    """A video file; ``rate`` stands in for the file's own frame rate and times."""

    def __init__(self, path: Path, rate: Fraction | None = None):
        self.path, self.name, self._forced, self.warnings = path, path.stem, rate, []
        with self._stream() as stream:
            self._rate = rate or _stated_rate(stream)
            if self._rate is None:
                raise InputError(str(path), "states no frame rate", "give it, as in `--fps 25`")
            self.fps = float(self._rate)
            self.expected = _expected(stream, self._rate)

    def _read(self) -> Iterator[Frame]:
        """Frames with rising times: those that have none, or an earlier one than the frame before, come 1 / fps on."""
        start = last = None
        for picture in self._decoded():
            time = None if self._forced or picture.pts is None else picture.pts * picture.time_base
            start = time if start is None else start
            if last is None:
                time = Fraction(0)
            elif time is None or start is None or time - start <= last:
                time = last + 1 / self._rate
            else:
                time -= start
            last = time
            yield Frame(upright(picture), time)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        damaged, first = 0, ""
        with self._stream() as stream:
            stream.thread_type = "AUTO"
            for packet in self._packets(stream):
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    damaged += 1
                    first = first or _at(packet)
        if damaged:
            self.warnings.append(f"{damaged} damaged packet{'s' * (damaged > 1)}{first}: left out")

    def _packets(self, stream: av.VideoStream) -> Iterator[av.Packet]:
        last = ""
        try:
            for packet in stream.container.demux(stream):
                last = _at(packet, " after") or last
                yield packet
        except (av.error.FFmpegError, OSError):
            self.warnings.append(f"breaks off{last}: what comes before is tracked")

    @contextmanager
    def _stream(self) -> Iterator[av.VideoStream]:
        """The first video stream that is not a cover picture, open."""
        try:
            container = av.open(str(self.path))
        except (av.error.FFmpegError, OSError) as error:
            reason = (error.strerror or "unreadable").lower()
            raise InputError(str(self.path), f"not a video ({reason})", "give a video or a folder of images") from None
        with container:
            pictures = [each for each in container.streams.video if not each.disposition & _COVER]
            if not pictures:
                raise InputError(str(self.path), "no video stream in it", "give a video or a folder of images")
            if pictures[0].codec_context is None:
                raise InputError(str(self.path), "no decoder for its video", "convert it to H.264, for example")
            yield pictures[0]


_COVER = av.stream.Disposition.attached_pic


def _stated_rate(stream: av.VideoStream) -> Fraction | None:
    """None too for a bare stream of pictures, such as a .264 file, for which FFmpeg makes up 25."""
    if stream.container.format.flags & av.format.Flags.no_timestamps.value:
        return None
    rates = (stream.average_rate, stream.guessed_rate)
    return next((rate for rate in rates if rate and RATES[0] <= rate <= RATES[1]), None)


def _expected(stream: av.VideoStream, rate: Fraction) -> int | None:
    """How many frames the container announces, or its duration lets one expect."""
    if stream.frames:
        return stream.frames
    if stream.duration:
        return round(stream.duration * stream.time_base * (stream.average_rate or rate))
    total = stream.container.duration
    return round(total / av.time_base * (stream.average_rate or rate)) if total else None


def _at(packet: av.Packet, word: str = " at") -> str:
    """Where a packet lies, in words; nothing if it does not say."""
    moment = packet.dts if packet.pts is None else packet.pts
    return "" if moment is None else f"{word} {float(moment * packet.time_base):.1f} s"


def upright(picture: av.VideoFrame) -> np.ndarray:
    """The frame as it is meant to be seen, (H, W, 3) uint8 blue-green-red."""
    image = picture.to_ndarray(format="bgr24")
    matrix = picture.side_data.get(_MATRIX)
    return image if matrix is None else turned(image, np.frombuffer(bytes(matrix), np.int32))


_MATRIX: Any = av.sidedata.sidedata.Type.DISPLAYMATRIX


def turned(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """An image moved by FFmpeg's display matrix (libavutil/display.h), to the nearest quarter turn and mirrored.

    ``matrix`` (9,): a, b, u, c, d, v, x, y, w, which takes the column p and the row q to a p + c q and b p + d q.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(b) > abs(a):
        image, across, down = image.swapaxes(0, 1), c, b
    else:
        across, down = a, d
    image = image[:, ::-1] if across < 0 else image
    return np.ascontiguousarray(image[::-1] if down < 0 else image)
