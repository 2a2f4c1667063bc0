"""stages/drawing/video.py: a video that players play, at the sequence's own pace, the same bytes every time."""

from __future__ import annotations

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from tracking_scenes import scene

from stages.drawing.video import Track, colour_of, drawn_frames, output_size, write_video
from stages.params import WorldSource
from stages.sequences.archive import Sequence, write_archive
from stages.world import world_sequences

TRACKS = {frame: [Track(7, 1, np.array([60.0 + frame, 50, 100 + frame, 110]))] for frame in range(1, 13)}


@pytest.mark.parametrize(
    "size,expected",
    [
        ((320, 192), (640, 384, 2.0)),
        ((640, 481), (1280, 962, 2.0)),
        ((768, 575), (768, 576, 1.0)),
        ((1920, 1080), (1280, 720, 2 / 3)),
    ],
)
def test_output_size(size, expected):
    assert output_size(*size) == expected


@pytest.mark.parametrize("fps", [10, 29.97])
def test_is_h264_at_the_sequences_rate(tmp_path, fps):
    sequence = scene(tmp_path / "one.zip", fps=fps, length=12)
    write_video(tmp_path / "one.mp4", sequence, TRACKS, ("person", "car"), "street one")
    with av.open(str(tmp_path / "one.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-4)
        assert (stream.width, stream.height, len(list(container.decode(stream)))) == (640, 384, 12)
    content = (tmp_path / "one.mp4").read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")  # plays before it is loaded


def test_same_bytes(tmp_path):
    """Forty times: with its macroblock tree x264 changed its mind about one video of this town in six."""
    source = WorldSource(
        format="world", view="air", sequences={"test": 1}, frames=16, width=160, height=96, classes={"person": "person"}
    )
    (item,) = world_sequences(source)
    frames, gt = item.render()
    write_archive(tmp_path / "one.zip", item.info, frames, gt)
    sequence, found = Sequence(tmp_path / "one.zip"), set()
    for _ in range(40):
        write_video(tmp_path / "one.mp4", sequence, TRACKS, ("person", "car"), "air/air-test-01   stage2, bytetrack")
        found.add((tmp_path / "one.mp4").read_bytes())
    assert len(found) == 1


def test_boxes_are_drawn_where_they_are(tmp_path):
    sequence = scene(tmp_path / "one.zip", length=3)
    plain = list(drawn_frames(sequence, {}, ("person", "car"), "x", 3))
    drawn = list(drawn_frames(sequence, TRACKS, ("person", "car"), "x", 3))
    for frame, (before, after) in enumerate(zip(plain, drawn, strict=True), start=1):
        changed = np.argwhere((before != after).any(axis=2))
        left, right = 2 * (60 + frame), 2 * (100 + frame)
        assert tuple(after[150, left]) == colour_of(7)
        assert tuple(after[150, right]) == colour_of(7)
        assert np.array_equal(before[150, left + 5 : right - 5], after[150, left + 5 : right - 5])
        # The label's ground reaches above the box; nothing else is touched.
        assert changed.min(axis=0)[0] >= 100 - 20
        assert changed.max(axis=0)[0] <= 220 + 2


def test_colours_last_and_differ():
    colours = [colour_of(number) for number in range(1, 61)]
    assert len(set(colours)) == 60
    hues = [cv2.cvtColor(np.uint8([[c]]), cv2.COLOR_BGR2HSV)[0, 0, 0] for c in colours]
    apart = [min(abs(int(a) - int(b)), 180 - abs(int(a) - int(b))) for a, b in pairwise(hues)]
    assert min(apart) > 30  # of 180
