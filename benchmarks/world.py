"""Rendering the embedded world: milliseconds a frame on one core, against encoding the same frame alone.

Run as `python -m benchmarks.world`. A frame includes its ground truth and its JPEG; the peer is `cv2.imencode` of the
finished frame. Building the town comes once a sequence and is told apart. Times are of the processor, so that other
programs on the machine do not count.
"""

from __future__ import annotations

from statistics import median
from time import process_time

import cv2

from stages.params.sources import WORLD_LABELS, WorldSource
from stages.world import encode, world_sequences

FRAMES = 60


def measure(view: str) -> tuple[float, float, float]:
    """Milliseconds to the first frame, for a frame after it, and for encoding one; the latter two are medians."""
    classes = {name: name for name in WORLD_LABELS.values()}
    source = WorldSource(format="world", view=view, sequences={"train": 1}, frames=FRAMES, classes=classes)
    start = process_time()
    pictures = world_sequences(source)[0].pictures()
    town = process_time() - start
    whole, peer = [], []
    for _ in range(FRAMES):
        start = process_time()
        frame, _ = next(pictures)
        encode(frame)
        whole.append(process_time() - start)
        start = process_time()
        encode(frame)
        peer.append(process_time() - start)
    return 1000 * (town + whole[0]), 1000 * median(whole[1:]), 1000 * median(peer)


def main() -> None:
    """Measure both views."""
    cv2.setNumThreads(1)
    for view in ("street", "air"):
        first, frame, peer = measure(view)
        print(
            f"{view}: {frame:.1f} ms a frame of 320x192, {frame / peer:.0f} times cv2.imencode alone ({peer:.2f} ms); "
            f"first frame, town included, {first:.0f} ms"
        )


if __name__ == "__main__":
    main()
