"""Small videos of every kind, whose frames show a red and a blue rectangle."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.stub_detector import ARCHITECTURE, StubDetector

SIZE = (160, 96)  # width, height
RED, BLUE = (0, 0, 255), (255, 0, 0)


def boxes(number: int) -> np.ndarray:
    """x1, y1, x2, y2 of the red and the blue rectangle in a frame, from 0."""
    return np.array([[16 + 2 * number, 16, 40 + 2 * number, 64], [112, 60, 144, 80]])


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame ``number``, from 0, blue-green-red."""
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    for (x1, y1, x2, y2), colour in zip(boxes(number), (RED, BLUE), strict=True):
        image[y1:y2, x1:x2] = colour
    return image


def write_film(
    path: Path,
    codec: str = "libx264",
    *,
    frames: int = 20,
    pixels: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    rate: int = 10,
    times: list[int] | None = None,
    turned: tuple[int, bool, bool] | None = None,
    sound: bool = False,
    codec_options: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Write a video: ``times`` in milliseconds, ``turned`` by degrees against the clock and mirrored."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        (stream.width, stream.height), stream.pix_fmt = size, pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turned:
            stream.set_display_rotation(turned[0], hflip=turned[1], vflip=turned[2])
        voice = container.add_stream("aac", rate=8000) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="bgr24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if voice:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 8000, 0
            container.mux([*voice.encode(silence), *voice.encode()])
        container.mux(stream.encode())
    return path


def spoil(path: Path, share: tuple[float, float], count: int) -> Path:
    """Overwrite ``count`` bytes of a file between two shares of its length."""
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    first, last = (int(len(content) * each) for each in share)
    for place in rng.integers(first, last, count):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    return path


class Rectangles(StubDetector):
    """Finds the red rectangle as class 0, a person, and the blue one as class 1, a car."""

    def __init__(self):
        super().__init__(ARCHITECTURE)
