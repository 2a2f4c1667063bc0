from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.detectors.frames import detect, resized, stacked
from stages.detectors.recording import ClassMap
from stages.errors import InputError
from tests.rectangles import boxes_of, picture
from tests.stub_detector import Script, StubDetector


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((96, 160), 160, (96, 160)), ((96, 160), 80, (48, 80)), ((160, 96), 320, (320, 192)), ((100, 3), 32, (32, 1))],
)
def test_the_longer_side_gets_the_size(shape: tuple, size: int, expected: tuple):
    assert resized(np.zeros((*shape, 3), np.uint8), size).shape[:2] == expected


def test_frames_of_two_sizes_are_stacked_in_one_grey_field():
    one, other = np.zeros((40, 33, 3), np.uint8), np.full((20, 64, 3), (1, 2, 3), np.uint8)
    batch = stacked([one, other], 32)
    assert batch.shape == (2, 3, 64, 64) and batch.dtype == torch.uint8
    assert (batch[0, :, :40, :33] == 0).all() and (batch[0, :, 40:] == 114).all() and (batch[0, :, :, 33:] == 114).all()
    assert batch[1, :, 5, 5].tolist() == [3, 2, 1]  # blue-green-red comes in, red-green-blue goes out


@pytest.mark.parametrize("image_size", [64, 96, 128])
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_boxes_come_back_in_the_frames_own_pixels(image_size: int, batch: int):
    frames = [picture(number) for number in (1, 2, 3)]
    settings = {"min_score": 0.1, "nms_iou": 0.7, "max_objects": 10}
    found = list(detect(StubDetector(), frames, image_size=image_size, batch=batch, **settings))
    for number, rows in zip((1, 2, 3), found, strict=True):
        boxes = boxes_of(number)
        assert rows.dtype == np.float32 and rows[:, 5].tolist() == [0, 1]
        assert np.abs(rows[:, :4] - np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])).max() <= 1


def test_boxes_are_clipped_to_the_frame():
    settings = {"image_size": 64, "batch": 2, "min_score": 0.1, "nms_iou": 0.7, "max_objects": 10}
    found = np.concatenate(list(detect(StubDetector(script=Script([(60, -60)])), [picture(1)], **settings)))
    assert found[:, :4].min() >= 0 and found[:, :4].max() <= 64 and found[0, 2] == 64 and found[1, 0] == 0


def test_classes_are_mapped_by_name():
    mapping = ClassMap(("bicycle", "car", "person"), ("person", "car"), "models/x")
    rows = np.array([[0, 0, 1, 1, 0.9, 2], [0, 0, 1, 1, 0.8, 0], [0, 0, 1, 1, 0.7, 1]], np.float32)
    assert mapping(rows)[:, 4:].tolist() == [[np.float32(0.9), 0], [np.float32(0.7), 1]]
    assert rows[0, 5] == 2  # what came in is not changed
    assert mapping(np.zeros((0, 6), np.float32)).shape == (0, 6)


def test_a_checkpoint_none_of_whose_classes_fits():
    with pytest.raises(
        InputError, match=r"^models/x: none of its classes is one of person, car: take it out of evaluation"
    ):
        ClassMap(("bus", "tram"), ("person", "car"), "models/x")
