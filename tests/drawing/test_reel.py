"""The worst moments as one video: frames of several sizes and rates, a thumbnail of each moment."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tracking_scenes import scene

from stages.drawing.names import Names
from stages.drawing.reel import Stretch, write_reel
from stages.scoring.verdicts import Verdict
from stages.sequences.archive import Sequence


@pytest.fixture
def stretches(tmp_path) -> list[Stretch]:
    """Four frames of a wide sequence at 10 frames a second, then three of a tall one at 25."""
    one = scene(tmp_path / "one.zip", fps=10, length=12)
    two = scene(tmp_path / "two.zip", fps=25, length=12, size=(240, 480))
    red = [Verdict("false alarm", (60.0, 60, 90, 120), 0, None, 7, None)]
    return [
        Stretch(one.path, "1: town/one", 3, 5, [[], [], red, []], [(0.5, 1)] * 4),
        Stretch(two.path, "2: town/two", 1, 1, [red, [], []], [(None, 0)] * 3),
    ]


def frames(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_stretches_follow_one_another(stretches, tmp_path):
    assert write_reel(tmp_path / "worst.mp4", stretches, tmp_path / "worst") == [0, 0.4]
    shown = frames(tmp_path / "worst.mp4")
    assert [round(frame.time, 4) for frame in shown] == [0, 0.1, 0.2, 0.3, 0.4, 0.44, 0.48]
    assert [frame.time for frame in shown if frame.key_frame] == [0, 0.4]
    assert {(frame.width, frame.height) for frame in shown} == {(640, 960)}
    images = [frame.to_ndarray(format="bgr24").astype(int) for frame in shown]
    assert max(images[0][:280].max(), images[0][-280:].max()) < 8  # black above and below what is wide
    assert images[0][300:660, :].std() > 20
    assert max(images[4][:, :70].max(), images[4][:, -70:].max()) < 8
    wide, tall = np.s_[330:600], np.s_[100:280]  # without captions and scores
    pairs = ((0, 1, wide), (2, 1, wide), (5, 6, tall), (4, 5, tall))
    changed = [(np.abs(images[one][part] - images[other][part]) > 100).sum() for one, other, part in pairs]
    assert changed[0] == changed[2] == 0
    assert min(changed[1], changed[3]) > 200


def test_thumbnails_are_of_the_frames_that_are_named_and_cost_no_decoding(stretches, tmp_path, monkeypatch):
    asked = []
    frame = Sequence.frame
    monkeypatch.setattr(Sequence, "frame", lambda self, n: asked.append((self.path.stem, n)) or frame(self, n))
    write_reel(tmp_path / "worst.mp4", stretches, tmp_path / "worst")
    assert asked == [("one", 3), ("one", 4), ("one", 5), ("one", 6), ("two", 1), ("two", 2), ("two", 3)]
    first, second = (cv2.imread(str(tmp_path / f"worst/0{rank}.jpg")).astype(int) for rank in (1, 2))
    assert (first.shape, second.shape) == ((192, 320, 3), (640, 320, 3))
    labels = first[54:59, 61:80], second[72:79, 81:100]
    assert all((label[..., 2] - label[..., 1]).mean() > 60 for label in labels)


def test_the_same_bytes_again(stretches, tmp_path):
    for name in ("a", "b"):
        write_reel(tmp_path / f"{name}.mp4", stretches, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a/01.jpg").read_bytes() == (tmp_path / "b/01.jpg").read_bytes()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("street",), "street.mp4"),
        (("street", "MOT17-02"), "street.MOT17-02.mp4"),
        (("street", 'a b\'s "c"'), "street.a_b_s_c_.mp4"),
        (("street", "../../etc/passwd"), "street._.._etc_passwd.mp4"),
        (("street", "通り"), "street._.mp4"),
        (("street", "..."), "street.mp4"),
        (("...",), "video.mp4"),
        (("x" * 300,), "x" * 80 + ".mp4"),
    ],
)
def test_names_are_safe(parts, expected):
    assert Names().of(*parts, ending=".mp4") == expected


def test_names_are_given_once():
    names = Names("worst.mp4")
    given = [names.of(*parts, ending=".mp4") for parts in (("worst",), ("a", "通"), ("a", "道"), ("A", "_"))]
    assert given == ["worst-2.mp4", "a._.mp4", "a._-2.mp4", "A._-3.mp4"]
    assert np.unique([name.lower() for name in given]).size == 4
