from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.mixtures.mixing import Clip
from stages.mixtures.summary import Summary, headline, summarise, table
from stages.mixtures.targets import TargetReader
from stages.params.labels import MOTCHALLENGE_LABELS
from stages.sequences.archive import SequenceInfo, write_archive
from tests.rectangles import write_params, write_source

CLASSES = ("person", "car")


@pytest.fixture
def reader(tmp_path: Path) -> TargetReader:
    write_source(tmp_path, "street", {"a": ("train", 20, 10.0), "b": ("train", 8, 4.0), "c": ("val", 6, 4.0)})
    labels = {"street": MOTCHALLENGE_LABELS}
    return TargetReader(write_params(tmp_path), "stage1", labels, tmp_path / "data/sources")


def test_counts_are_those_of_the_clips_frames(reader: TargetReader):
    clips = [Clip("street", "a", "train", (1, 4), 0.3), Clip("street", "a", "train", (3, 8), 0.5)]
    clips += [Clip("street", "b", "train", (7, 8), 0.3), Clip("street", "c", "val", (2,), 0.0)]
    # a: frames 1 to 4 and 3 to 8 are 8 frames of 0.1 s; b: 2 frames of 0.25 s. A person of 12x24 pixels and a car of
    # 20x14 in every frame: 288 and 280 are both less than 32x32.
    expected = [
        Summary("street", "train", 2, 3, 6, 4, 1.3, (1, 3, 5), (6, 6), (12, 0, 0)),
        Summary("street", "val", 1, 1, 1, 2, 0.25, (), (1, 1), (2, 0, 0)),
    ]
    assert summarise(reader, clips, CLASSES) == expected
    assert headline(expected, CLASSES) == {
        "street": {
            "frames": 6,
            "seconds": 1.3,
            "interval_frames": "1 to 5",
            "ids": 4,
            "boxes": {"person": 6, "car": 6},
        }
    }
    rows = table(expected, CLASSES)
    assert rows[0]["interval_frames"] == "1 3 5" and rows[1]["interval_frames"] == ""
    assert (rows[0]["boxes"], rows[0]["boxes_small"], rows[0]["boxes_car"], rows[1]["boxes"]) == (12, 12, 6, 2)


def test_a_frame_counts_in_every_clip_that_holds_it(reader: TargetReader):
    clips = [Clip("street", "a", "train", (1, 2), 0.1), Clip("street", "a", "train", (2, 3), 0.1)]
    train, val = summarise(reader, clips, CLASSES)
    assert (train.frames, train.boxes, train.ids, train.seconds) == (4, (4, 4), 2, 0.3)
    assert (val.frames, val.boxes, val.seconds) == (0, (0, 0), 0)


def test_single_frames_have_no_interval(reader: TargetReader):
    summary = summarise(reader, [Clip("street", "a", "train", (5,), 0.5)], CLASSES)
    assert headline(summary, CLASSES)["street"] == {
        "frames": 1,
        "seconds": 0.1,
        "ids": 2,
        "boxes": {"person": 1, "car": 1},
    }


def _archive(folder: Path, gt: np.ndarray) -> None:
    info = SequenceInfo("x", 10.0, 640, 480, 2)
    write_archive(folder / "data/sources/street/x.zip", info, [b"1", b"2"], gt)


def test_sizes_are_by_area_and_only_targets_count(tmp_path: Path):
    #       frame, id, left, top, width, height, confidence, class, visibility
    rows = [[1, 1, 0, 0, 31, 33, 1, 1, 1], [1, 2, 0, 0, 32, 32, 1, 1, 1], [2, 3, 0, 0, 96, 95.9, 1, 3, 1]]
    rows += [[2, 4, 0, 0, 96, 96, 1, 3, 0.5], [2, 5, 0, 0, 9, 9, 1, 3, 0.4], [2, 6, 0, 0, 9, 9, 0, 1, 1]]
    rows += [[2, 7, 0, 0, 9, 9, 1, 8, 1]]
    _archive(tmp_path, np.array(rows, float))
    params = write_params(tmp_path, {"stage1.mixture.min_visibility": 0.5})
    reader = TargetReader(params, "stage1", {"street": MOTCHALLENGE_LABELS}, tmp_path / "data/sources")
    targets = reader.rows("street", "x")
    assert (targets.length, targets.fps) == (2, 10.0)
    assert targets.identity.tolist() == [1, 2, 3, 4] and targets.frame.tolist() == [1, 1, 2, 2]
    assert targets.category.tolist() == [0, 0, 1, 1] and targets.size.tolist() == [0, 1, 1, 2]


def test_a_class_that_the_params_no_longer_map_is_named(tmp_path: Path):
    _archive(tmp_path, np.array([[1, 1, 0, 0, 9, 9, 1, 12, 1.0]]))
    reader = TargetReader(write_params(tmp_path), "stage1", {"street": MOTCHALLENGE_LABELS}, tmp_path / "data/sources")
    with pytest.raises(
        InputError, match=r"street/x\.zip: class 12 is mapped to nothing: map it in params\.yaml: sources\.street"
    ):
        reader.rows("street", "x")
