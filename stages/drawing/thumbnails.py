"""Small pictures that stand for videos, as JPEG."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

WIDTH = 320  # pixels
_QUALITY = 85


def write_thumbnail(path: Path, image: np.ndarray) -> None:
    """Write ``image``, (H, W, 3) uint8 blue-green-red, `WIDTH` wide."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (WIDTH, max(1, round(WIDTH * height / width))), interpolation=cv2.INTER_AREA)
    path.write_bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def write_poster(video: Path, path: Path) -> None:
    """Write the middle frame of ``video``, where tracks have come about, as a thumbnail at ``path``."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        middle = stream.start_time + stream.duration // 2
        container.seek(middle, stream=stream)
        frame = next(frame for frame in container.decode(stream) if frame.pts + frame.duration > middle)
        write_thumbnail(path, frame.to_ndarray(format="bgr24", src_colorspace="ITU709"))
