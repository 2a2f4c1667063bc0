"""stages/sequences/boxes.py: the ground truth's targets as detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stored_project import write_params

from stages.errors import InputError
from stages.params import load_params
from stages.params.labels import WORLD_LABELS
from stages.sequences.archive import Sequence, SequenceInfo, write_archive
from stages.sequences.boxes import target_boxes
from stages.sequences.index import write_index

PERSON, CAR, HIDDEN = (
    next(n for n, name in WORLD_LABELS.items() if name == each) for each in ("person", "car", "hidden")
)


def sequence(folder: Path, rows: list, length: int = 3) -> Sequence:
    info = SequenceInfo("one", 10, 64, 48, length, ".png")
    write_archive(folder / "one.zip", info, [b""] * length, np.array(rows, float).reshape(-1, 9))
    write_index(folder, [], WORLD_LABELS)
    return Sequence(folder / "one.zip")


@pytest.fixture
def street(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_params()
    folder = Path("data/sources/street")
    folder.mkdir(parents=True)
    return folder


def test_targets_alone_by_frame_class_and_place(street):
    rows = [
        [2, 5, 30, 8, 10, 20, 1, PERSON, 1],
        [1, 5, 31, 8, 10, 20, 1, PERSON, 1],
        [1, 9, 4, 8, 10, 20, 1, PERSON, 0.2],
        [1, 7, 0, 0, 9, 9, 1, HIDDEN, 1],
        [1, 2, 1, 2, 16, 8, 1, CAR, 1],
        [3, 2, 1, 2, 16, 8, 0, CAR, 1],
    ]
    found = target_boxes(load_params(), "street", sequence(street, rows))
    assert found.tolist() == [
        [1, 4, 8, 14, 28, 1, 0],
        [1, 31, 8, 41, 28, 1, 0],
        [1, 1, 2, 17, 10, 1, 1],
        [2, 30, 8, 40, 28, 1, 0],
    ]


def test_without_ground_truth(street):
    what = r"one\.zip: it has no ground truth, whose boxes are to be tracked: set evaluation\.boxes: detections"
    with pytest.raises(InputError, match=what):
        target_boxes(load_params(), "street", sequence(street, []))


def test_a_still_image_may_hold_no_box(street):
    assert target_boxes(load_params(), "street", sequence(street, [], length=1)).shape == (0, 7)


def test_a_class_that_is_mapped_to_nothing(street):
    what = r"street/one\.zip: class 99 is mapped to nothing: map it in params\.yaml: sources\.street\.classes"
    with pytest.raises(InputError, match=what):
        target_boxes(load_params(), "street", sequence(street, [[1, 1, 4, 8, 10, 20, 1, 99, 1]]))
