"""stages/video: any video and any folder of images, upright, with times; what is damaged is left out and said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.errors import InputError
from stages.video.file import turned
from stages.video.frames import Frame, frame_rate
from stages.video.opening import open_footage
from tests.films import SIZE, picture, spoil, write_film


def read(path: Path, fps: str | None = None) -> list[Frame]:
    return list(open_footage(path, fps).frames())


def nearest(image: np.ndarray) -> int:
    """The frame of `picture` that an image is most like."""
    errors = [np.abs(image.astype(int) - picture(number)).mean() for number in range(20)]
    assert min(errors) < 6
    return int(np.argmin(errors))


@pytest.mark.parametrize(
    "name,codec,pixels,size",
    [
        ("h264.mp4", "libx264", "yuv420p", SIZE),
        ("hevc10.mkv", "libx265", "yuv420p10le", SIZE),
        ("vp9.webm", "libvpx-vp9", "yuv420p", SIZE),
        ("mpeg4.avi", "mpeg4", "yuv420p", SIZE),
        ("prores.mov", "prores", "yuv422p10le", SIZE),
        ("stream.ts", "libx264", "yuv420p", SIZE),
        ("odd.mkv", "ffv1", "bgr0", (161, 97)),
        ("full_range.avi", "mjpeg", "yuvj420p", SIZE),
    ],
)
def test_kinds(tmp_path, name, codec, pixels, size):
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_film(tmp_path / name, codec, pixels=pixels, size=size, codec_options=quiet)
    footage = open_footage(path)
    frames = list(footage.frames())
    assert (footage.name, footage.fps, footage.warnings) == (Path(name).stem, 10, [])
    assert [frame.image.shape for frame in frames] == [(size[1], size[0], 3)] * 20
    assert [frame.time for frame in frames] == [pytest.approx(number / 10) for number in range(20)]
    if size == SIZE:
        assert [nearest(frame.image) for frame in frames[::6]] == [0, 6, 12, 18]


def test_sound_is_passed_over(tmp_path):
    assert len(read(write_film(tmp_path / "a.mp4", sound=True))) == 20


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("across,down", [(False, False), (True, False), (False, True)])
def test_frames_are_upright(tmp_path, degrees, across, down):
    """As a phone writes them: the pixels lie, and a matrix says how to turn them."""
    path = write_film(tmp_path / "a.mp4", frames=1, turned=(degrees, across, down))
    expected = np.rot90(picture(0), degrees // 90)  # against the clock
    expected = expected[:, ::-1] if across else expected
    expected = expected[::-1] if down else expected
    [frame] = read(path)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6


def test_a_matrix_moves_pixels_as_it_says():
    """A corner's pixel goes where x' = a p + c q and y' = b p + d q have it, by sign."""
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    one = 1 << 16
    quarter = np.array([0, one, 0, -one, 0, 0, 0, 0, 1 << 30], np.int32)  # right goes down, down goes left
    assert turned(image, quarter)[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_times_are_kept(tmp_path, suffix):
    times = [40 * number + (500 if number > 9 else 0) for number in range(20)]  # a pause of half a second
    footage = open_footage(write_film(tmp_path / f"a.{suffix}", times=times))
    found = [float(frame.time) for frame in footage.frames()]
    assert found == pytest.approx([time / 1000 for time in times])
    assert frame_rate(found, footage.fps) == pytest.approx(25, rel=0.001)


@pytest.mark.parametrize(
    "times,stated,expected",
    [
        ([0.0], 12.0, 12.0),
        ([0.0, 0.1, 0.2, 0.3], 10.1, 10.1),  # within what container's clocks round
        ([0.0, 0.1, 0.2, 0.3], 15.0, 10.0),
        ([0.0, 0.1, 0.2, 3.2, 3.3], 10.0, 10.0),  # a pause is none of its frames
        ([0.0, 1 / 30, 1 / 12, 7 / 60, 1 / 6], 24.0, 24.0),  # steps of 2 and 3 sixtieths
    ],
)
def test_frame_rate(times, stated, expected):
    assert frame_rate(times, stated) == pytest.approx(expected)


def test_a_given_rate_stands_for_the_files(tmp_path):
    path = write_film(tmp_path / "a.mp4", times=[0, 700] + [900 + n for n in range(18)])
    footage = open_footage(path, "30000/1001")
    assert footage.fps == pytest.approx(29.97, abs=0.001)
    assert [frame.time for frame in footage.frames()] == [Fraction(1001 * number, 30000) for number in range(20)]


def test_a_bare_stream_has_the_rate_it_is_given(tmp_path):
    """FFmpeg would say 25."""
    path = write_film(tmp_path / "a.264")
    with pytest.raises(InputError, match=r"a\.264: states no frame rate: give it, as in `--fps 25`"):
        open_footage(path)
    assert [float(frame.time) for frame in read(path, "10")] == pytest.approx([n / 10 for n in range(20)])


def test_damage_in_the_middle_is_left_out_and_said(tmp_path):
    path = write_film(tmp_path / "a.mp4", frames=60, codec_options={"g": "10"})
    footage = open_footage(spoil(path, (0.3, 0.45), 60))
    frames, again = list(footage.frames()), list(footage.frames())
    assert 20 <= len(frames) < 60
    assert [warning.partition(" at ")[2].endswith(" s: left out") for warning in footage.warnings] == [True]
    assert all(np.array_equal(a.image, b.image) and a.time == b.time for a, b in zip(frames, again, strict=True))


def test_what_precedes_a_break_is_read(tmp_path):
    path = write_film(tmp_path / "a.ts", frames=60, codec_options={"g": "10"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    assert 25 <= len(read(path)) <= 50


def test_images_in_order_of_their_numbers(tmp_path):
    for number in (1, 2, 10, 9):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), picture(number))
    (tmp_path / "notes.txt").write_text("no image")
    footage = open_footage(tmp_path, "12.5")
    assert [nearest(frame.image) for frame in footage.frames()] == [1, 2, 9, 10]
    assert (footage.name, footage.fps, footage.expected) == (tmp_path.name, 12.5, 4)


def _sound_alone(path: Path) -> Path:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        voice = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux([*voice.encode(silence), *voice.encode()])
    return path


def _sizes(folder: Path) -> Path:
    folder.mkdir()
    for number, size in enumerate([(160, 96), (160, 98)]):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number, size))
    return folder


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "make,fps,what",
    [
        (lambda at: at / "none.mp4", None, "none.mp4: no such file"),
        (lambda at: _written(at / "a.mp4", "no video"), None, r"a.mp4: not a video \(invalid data"),
        (lambda at: _written(at / "a.mp4", ""), None, "a.mp4: not a video"),
        (lambda at: _sound_alone(at / "a.m4a"), None, "a.m4a: no video stream in it"),
        (lambda at: at, "25", "no images in it"),
        (lambda at: _sizes(at / "b"), None, "b: images state no frame rate: give it, as in `--fps 25`"),
        (lambda at: _sizes(at / "b"), "25", "b: frame 2 has 160x98 pixels, those before it 160x96"),
        (lambda at: _written(_sizes(at / "b") / "0.png", "x").parent, "25", "0.png: no image, or a damaged one"),
        (lambda at: write_film(at / "a.mp4"), "fast", "--fps fast: not a frame rate"),
        (lambda at: write_film(at / "a.mp4"), "0", "--fps 0: not a frame rate"),
        (lambda at: write_film(at / "a.mp4"), "1/0", "--fps 1/0: not a frame rate"),
        (lambda at: write_film(at / "a.mp4"), "nan", "--fps nan: not a frame rate"),
    ],
)
def test_what_is_no_footage(tmp_path, make, fps, what):
    with pytest.raises(InputError, match=what):
        read(make(tmp_path), fps)
