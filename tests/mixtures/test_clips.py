from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.mixtures import clips
from stages.mixtures.clips import ClipReader, targets_by_frame
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning
from stages.sequences.index import read_index
from tests.rectangles import CLASSES, SIZE, boxes_of, picture, write_source

LABELS = {1: "pedestrian", 3: "car", 8: "distractor", 13: "crowd"}


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    write_source(tmp_path, "street", {"a": ("train", 9, 10.0), "b": ("val", 6, 4.0)})
    root = tmp_path / "data/sources"
    hashes = dict(read_index("street", root=root)[["sequence", "sha256"]].itertuples(index=False))
    return ClipReader(
        Manifest(("car", "person"), ("street",), 0.0, {"street": SourceMeaning(LABELS, CLASSES, hashes)}), root
    )


def _corners(frame: int, offset: int = 0) -> np.ndarray:
    boxes = boxes_of(frame, offset)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def test_a_clip_has_its_frames_boxes_identities_and_times(reader: ClipReader):
    data = reader.read(Clip("street", "b", "val", (1, 3, 6), 0.5))
    assert [frame.shape for frame in data.frames] == [(SIZE, SIZE, 3)] * 3
    assert data.times == [0.0, 0.5, 1.25]  # 2 and 5 frames on, at 4 frames a second
    for frame, image, target in zip((1, 3, 6), data.frames, data.targets, strict=True):
        assert np.array_equal(target.boxes, _corners(frame, 7))
        assert target.classes.tolist() == [1, 0] and target.identities.tolist() == [1, 2]  # as the manifest orders them
        assert np.abs(image.astype(int) - picture(frame, 7)).mean() < 6  # JPEG


def test_targets_and_size_are_known_without_reading_a_frame(reader: ClipReader, monkeypatch: pytest.MonkeyPatch):
    clip = Clip("street", "b", "val", (1, 3, 6), 0.5)
    expected = reader.read(clip).targets
    monkeypatch.setattr("stages.sequences.archive.Sequence.frame", None)
    targets = reader.targets(clip)
    assert [target.boxes.tolist() for target in targets] == [target.boxes.tolist() for target in expected]
    assert reader.size(clip) == (SIZE, SIZE)


def test_a_reader_goes_to_another_process(reader: ClipReader):
    clip = Clip("street", "a", "train", (2,), 0.0)
    reader.read(clip)
    again = pickle.loads(pickle.dumps(reader)).read(clip)
    assert np.array_equal(again.frames[0], reader.read(clip).frames[0])


def test_a_frame_without_annotation_has_no_targets(tmp_path: Path):
    targets = targets_by_frame(np.zeros((0, 9)), np.zeros(0, np.int64))
    assert targets == {}


ROWS = [  # frame, id, left, top, width, height, confidence, class, visibility
    [2, 1, 10, 20, 4, 6, 1, 1, 0.9],
    [2, 2, 11, 20, 4, 6, 1, 1, 0.2],
    [2, 3, 12, 20, 4, 6, 1, 8, 1],
    [2, 4, 13, 20, 4, 6, 1, 13, 0.0],
    [2, 5, 14, 20, 4, 6, 0, 1, 1],
    [5, 6, 15, 20, 4, 6, 1, 3, 0.25],
]
PURPOSES = np.array([0, 0, -1, -2, -3, 1])


def test_what_is_too_little_visible_becomes_a_distractor():
    targets = targets_by_frame(np.array(ROWS, np.float64), PURPOSES, min_visibility=0.25)
    assert sorted(targets) == [2, 5]
    assert targets[2].boxes.tolist() == [[10, 20, 14, 26]] and targets[2].identities.tolist() == [1]
    assert targets[2].distractors[:, 0].tolist() == [11, 12] and targets[2].regions[:, 0].tolist() == [13]
    assert targets[5].classes.tolist() == [1] and targets[5].boxes.dtype == np.float32
    everything = targets_by_frame(np.array(ROWS, np.float64), PURPOSES)
    assert everything[2].identities.tolist() == [1, 2] and everything[2].distractors[:, 0].tolist() == [12]


def test_archives_are_checked_against_the_manifest(reader: ClipReader, tmp_path: Path):
    reader.verify()
    archive = tmp_path / "data/sources/street/b.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"street/b\.zip: damaged, or not the archive that index.csv names"):
        reader.verify()
    archive.unlink()
    with pytest.raises(InputError, match=r"street/b\.zip: the archive is absent"):
        reader.verify()


def test_few_archives_stay_open_and_all_can_be_read(reader: ClipReader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clips, "_MOST_OPEN", 1)
    first, second = Clip("street", "a", "train", (2,), 0.0), Clip("street", "b", "val", (3,), 0.0)
    frames = [reader.read(clip).frames[0] for clip in (first, second, first, second)]
    assert np.array_equal(frames[0], frames[2]) and np.array_equal(frames[1], frames[3])
    assert not np.array_equal(frames[0], frames[1])
    assert list(reader._open) == [("street", "b")]


def test_rows_in_any_order_give_the_same_targets():
    rows, order = np.array(ROWS, np.float64), [5, 2, 0, 4, 1, 3]
    straight, mixed = targets_by_frame(rows, PURPOSES), targets_by_frame(rows[order], PURPOSES[order])
    assert list(mixed) == [2, 5] and mixed[2].identities.tolist() == [1, 2]
    for frame, targets in straight.items():
        assert np.array_equal(mixed[frame].boxes, targets.boxes)
        assert np.array_equal(mixed[frame].regions, targets.regions)
