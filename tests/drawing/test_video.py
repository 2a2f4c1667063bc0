"""stages/drawing/video.py: a video that players play, at the sequence's own pace, the same bytes every time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from tracking_scenes import scene

from stages.drawing.overlay import Overlay, Track, colour_of, output_size
from stages.drawing.video import drawn_frames, tracks_of, write_video, writing
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
    plain, drawn = (
        list(drawn_frames(Overlay((320, 192), ("person", "car"), 10), sequence, tracks, "x", 3))
        for tracks in ({}, TRACKS)
    )
    for frame, (before, after) in enumerate(zip(plain, drawn, strict=True), start=1):
        changed = np.argwhere((before != after).any(axis=2))
        left, right = 2 * (60 + frame), 2 * (100 + frame)
        assert tuple(after[150, left]) == colour_of(7)
        assert tuple(after[150, right]) == colour_of(7)
        assert np.array_equal(before[150, left + 5 : right - 5], after[150, left + 5 : right - 5])
        # The label's ground reaches above the box; nothing else is touched.
        assert changed.min(axis=0)[0] >= 100 - 20
        assert changed.max(axis=0)[0] <= 220 + 2


def test_frames_are_shown_when_they_say(tmp_path):
    times = [Fraction(0), Fraction(1001, 30000), Fraction(1, 10), Fraction(1, 10), Fraction(3, 10)]
    with writing(tmp_path / "one.mp4", (64, 48), Fraction(15), timed=True, threads=2) as writer:
        for number, time in enumerate(times):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8), time)
    with av.open(str(tmp_path / "one.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [round(frame.to_ndarray(format="gray8")[20, 20] / 40) for frame in frames] == [0, 1, 2, 3, 4]  # in order
    # One that claims the time of the frame before it comes a tick later.
    shown = [round(frame.pts * frame.time_base * 90_000) for frame in frames]
    assert shown == [0, 3003, 9000, 9001, 27000]


def test_colours_are_those_of_the_frames(tmp_path):
    """And said to be BT.709's, which players take large videos for."""
    colours = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0], [40, 120, 200], [255, 255, 255]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 64, axis=0), 32, axis=1)
    with writing(tmp_path / "one.mp4", (160, 64), Fraction(10)) as writer:
        writer.write(image)
    with av.open(str(tmp_path / "one.mp4")) as container:
        [frame] = container.decode(video=0)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
    shown = frame.to_ndarray(format="bgr24", src_colorspace="ITU709")
    assert np.abs(shown[32, 16::32].astype(int) - colours).max() <= 12


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (3840, 2160), (1080, 1920)])
def test_what_is_drawn_grows_with_the_frame(size):
    """A label is about as high a share of any frame, and sits where its box does."""
    width, height = size
    frame, at = np.full((height, width, 3), 128, np.uint8), width / 1280
    rows = np.array([[1, 7, 400 * at, 300 * at, 60 * at, 160 * at, 0.875, 1]])
    drawn = Overlay(size, ("person", "car"), 10, most=4000).draw(frame, 1, tracks_of(rows), "")
    scale = drawn.shape[1] / width
    assert scale == (2 if width == 320 else 1)
    ys, xs = np.nonzero((drawn == colour_of(7)).all(axis=2))
    assert xs.min() == pytest.approx(400 * at * scale, abs=3)
    assert ys.max() == pytest.approx(460 * at * scale, abs=3)
    label = 300 * at * scale - ys.min()
    assert 0.008 <= label / max(*drawn.shape, 1280) <= 0.016


def test_a_label_names_class_id_and_score():
    rows = np.array([[1, 7, 40, 60, 60, 100, 0.875, 1], [1, 8, 300, 60, 10, 12, 0.5, 0]])
    tracks = tracks_of(rows)
    assert [(t.id, t.label, t.score, t.box.tolist()) for t in tracks] == [
        (7, 1, 0.875, [40, 60, 100, 160]),
        (8, 0, 0.5, [300, 60, 310, 72]),
    ]
    assert Overlay((640, 480), ("person", "car"), 10)._label(tracks[0]) == "car 7 0.88"


def test_colours_last_and_differ():
    colours = [colour_of(number) for number in range(1, 61)]
    assert len(set(colours)) == 60
    hues = [cv2.cvtColor(np.uint8([[c]]), cv2.COLOR_BGR2HSV)[0, 0, 0] for c in colours]
    apart = [min(abs(int(a) - int(b)), 180 - abs(int(a) - int(b))) for a, b in pairwise(hues)]
    assert min(apart) > 30  # of 180
