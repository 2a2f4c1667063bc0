"""Validation: what it scores, and how much of it is in memory at a time."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from stages.mixtures.clips import ClipData, Targets
from stages.mixtures.mixing import Clip
from stages.training.validation import Validator
from tests import runs
from tests.rectangles import boxes_of, picture
from tests.stub_detector import Script

CLIPS = [Clip("street", "a", "val", (first, first + 1), 0.1) for first in range(1, 41, 2)]


class Reader:
    """Gives the rectangles' frames, and counts those that are still held."""

    def __init__(self):
        self.held = self.most = self.reads = 0

    def read(self, clip: Clip) -> ClipData:
        frames = [picture(frame) for frame in clip.frames]
        self.reads += 1
        self.held += len(frames)
        self.most = max(self.most, self.held)
        for frame in frames:
            weakref.finalize(frame, self._forget)
        return ClipData(frames, self.targets(clip), [0.0, 0.1])

    def targets(self, clip: Clip) -> list[Targets]:
        return [self._target(frame) for frame in clip.frames]

    def _forget(self) -> None:
        self.held -= 1

    @staticmethod
    def _target(frame: int) -> Targets:
        boxes, none = boxes_of(frame).astype(np.float32), np.zeros((0, 4), np.float32)
        boxes[:, 2:] += boxes[:, :2]
        return Targets(boxes, np.array([0, 1]), np.array([1, 2]), none, none)


def _validator(reader: Reader, batch: int) -> Validator:
    return Validator(reader, CLIPS, ("person", "car"), 64, batch)


def test_a_batch_of_frames_is_held_at_a_time():
    """Not all 40; what is found is right, and the network is left as it came."""
    reader, detector = Reader(), runs.make_detector().train()
    assert _validator(reader, 4)(detector) == {"mAP": pytest.approx(1.0, abs=1e-6), "mAP50": pytest.approx(1.0)}
    assert reader.reads == 20 and reader.most <= 2 * 4 + 2 and detector.training
    assert len(detector.script.validated) == 10


def test_after_running_out_all_frames_are_read_again_in_half_the_batch():
    reader, detector = Reader(), runs.make_detector(Script())
    predict = detector.predict

    def hungry(images: torch.Tensor, *limits: float) -> list[torch.Tensor]:
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return predict(images, *limits)

    detector.predict = hungry
    validate = _validator(reader, 5)
    assert validate(detector)["mAP"] == pytest.approx(1.0, abs=1e-6)
    assert [shape[0] for shape in detector.script.validated] == [3] * 13 + [1]
    assert reader.most <= 2 * 5 + 2
