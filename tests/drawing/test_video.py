"""Tracks as videos that players play, at the sequence's own pace, the same bytes every time; and what is drawn."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from tracking_scenes import scene

from stages.drawing.canvas import output_size
from stages.drawing.overlay import Overlay, colour_of
from stages.drawing.video import decoded, film, frames_within, tracks_of, writing
from stages.drawing.views import BETWEEN, SideBySide, TracksView
from stages.errors import InputError
from stages.params import WorldSource
from stages.sequences.archive import Sequence, write_archive
from stages.sequences.tracks import Tracks
from stages.world import world_sequences

FRAMES = np.arange(1, 13)
BOXES = np.array([[60.0 + frame, 50, 40, 60] for frame in FRAMES])
TRACKS = Tracks(FRAMES, np.full(12, 7), BOXES, np.full(12, 1))
NONE = Tracks(*(np.zeros(0, int) for _ in range(2)), np.zeros((0, 4)), np.zeros(0, int))


def view(sequence: Sequence, tracks: Tracks = TRACKS, title: str = "street one", **options) -> TracksView:
    return TracksView(sequence.info, tracks, ("person", "car"), title, **options)


def images(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24", src_colorspace="ITU709") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    "size,expected",
    [
        ((320, 192), (640, 384, 2.0)),
        ((639, 481), (1278, 962, 2.0)),
        ((640, 384), (640, 384, 1.0)),
        ((768, 575), (768, 576, 1.0)),
        ((1920, 1080), (1280, 720, 2 / 3)),
    ],
)
def test_output_size(size, expected):
    assert output_size(*size) == expected


@pytest.mark.parametrize("fps", [10, 29.97])
def test_is_h264_at_the_sequences_rate(tmp_path, fps):
    sequence = scene(tmp_path / "one.zip", fps=fps, length=12)
    film(sequence, {tmp_path / "one.mp4": view(sequence)}, 12)
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
        film(sequence, {tmp_path / "one.mp4": view(sequence, title="air/air-test-01   stage2, bytetrack")}, 16)
        found.add((tmp_path / "one.mp4").read_bytes())
    assert len(found) == 1


def test_boxes_are_drawn_where_they_are(tmp_path):
    sequence = scene(tmp_path / "one.zip", length=3)
    plain, drawn = (
        [each.draw(sequence.frame(number), number) for number in (1, 2, 3)]
        for each in (view(sequence, NONE), view(sequence))
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


def test_both_views_of_one_decoding(tmp_path, monkeypatch):
    sequence, asked = scene(tmp_path / "one.zip", length=12), []
    frame = Sequence.frame
    monkeypatch.setattr(Sequence, "frame", lambda self, number: asked.append(number) or frame(self, number))
    film(sequence, {tmp_path / "a.mp4": view(sequence), tmp_path / "b.mp4": view(sequence, NONE)}, 9)
    assert asked == list(range(1, 10))
    with_tracks, without = images(tmp_path / "a.mp4"), images(tmp_path / "b.mp4")
    assert len(with_tracks) == len(without) == 9
    box = np.s_[100:220, 122:202]
    assert np.abs(with_tracks[0][box].astype(int) - without[0][box]).max() > 60


def test_frames_are_decoded_in_order_and_only_a_few_ahead(tmp_path, monkeypatch):
    sequence, asked = scene(tmp_path / "one.zip", length=40, pan=2), []
    frame = Sequence.frame
    monkeypatch.setattr(Sequence, "frame", lambda self, number: asked.append(number) or frame(self, number))
    for number, image in decoded(sequence, range(3, 31)):
        assert np.array_equal(image, frame(sequence, number))
        assert len(asked) <= number - 3 + 6
    assert number == 30


@pytest.mark.parametrize("damaged", [1, 7])
def test_a_damaged_frame_leaves_no_video(tmp_path, damaged, monkeypatch):
    sequence = scene(tmp_path / "one.zip", length=12)
    encoded = Sequence.encoded
    monkeypatch.setattr(Sequence, "encoded", lambda self, n: b"no image" if n == damaged else encoded(self, n))
    with pytest.raises(InputError, match="unreadable image"):
        film(sequence, {tmp_path / "one.mp4": view(sequence)}, 12)
    assert [path.name for path in tmp_path.iterdir()] == ["one.zip"]


def test_what_encoding_raises_is_raised(tmp_path):
    with pytest.raises(ValueError), writing(tmp_path / "one.mp4", (64, 48), Fraction(10)) as writer:
        for _ in range(9):
            writer.write(np.zeros((48, 64), np.uint8))  # no colours


@pytest.mark.parametrize(("seconds", "frames"), [(60.0, 12), (0.5, 5), (0.001, 1), (1.2, 12)])
def test_frames_within(tmp_path, seconds, frames):
    assert frames_within(scene(tmp_path / "one.zip", length=12), seconds) == frames


def test_two_pictures_side_by_side(tmp_path):
    sequence = scene(tmp_path / "one.zip", size=(640, 384), length=2)
    left, right = view(sequence, most=320), view(sequence, NONE, most=320)
    both = SideBySide(left, right)
    image = both.draw(sequence.frame(1), 1)
    assert both.size == (320 + BETWEEN + 320, 192)
    assert image.shape == (192, 644, 3)
    assert (image[:, 320:324] == 255).all()
    assert np.array_equal(image[:, 324:], view(sequence, NONE, most=320).draw(sequence.frame(1), 1))
    assert not np.array_equal(image[:, :320], image[:, 324:])


@pytest.mark.parametrize("box", [[-1e12, 5, 2e12, 40], [300, 180, 1e9, 1e9], [20, 20, 0, 0], [-50, -50, 10, 10]])
def test_boxes_that_leave_the_frame(box):
    rows = np.array([[1, 7, *box, 0.9, 1]])
    image = Overlay((320, 192), ("person", "car"), 10).draw(np.zeros((192, 320, 3), np.uint8), 1, tracks_of(rows), "")
    assert image.shape == (384, 640, 3)
    assert image.any()  # its label at least
