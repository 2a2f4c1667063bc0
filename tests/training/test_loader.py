from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages.errors import InputError
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning
from stages.params.stage import Augment
from stages.training.loader import ClipSamples, RunOrder, collate, make_loader
from tests.rectangles import CLASSES, boxes_of, write_source

CLIPS = [Clip("street", "a", "train", (n, n + 1), 0.1) for n in range(1, 8)]


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    write_source(tmp_path, "street", {"a": ("train", 9, 10.0)})
    meaning = SourceMeaning({1: "pedestrian", 3: "car"}, CLASSES, {})
    return ClipReader(Manifest(("person", "car"), ("street",), 0.0, {"street": meaning}), tmp_path / "data/sources")


@pytest.mark.parametrize("start", range(13))
def test_a_start_gives_exactly_the_tail(start: int):
    whole = list(RunOrder(10, 3, 3, seed=5))
    order = RunOrder(10, 3, 3, seed=5, start=start)
    assert list(order) == whole[start:] and len(order) == 12 - start


def test_each_clip_comes_once_an_epoch_in_an_order_of_its_own():
    order = list(RunOrder(10, 3, 3, seed=5))
    assert [len(batch) for batch in order] == [3, 3, 3, 1] * 3
    epochs = [[clip for batch in order for epoch, clip in batch if epoch == number] for number in range(3)]
    assert all(sorted(clips) == list(range(10)) for clips in epochs)
    assert len({tuple(clips) for clips in epochs}) == 3
    assert list(RunOrder(10, 3, 3, seed=5)) == order != list(RunOrder(10, 3, 3, seed=6))


def _same(one, other) -> bool:
    frames = all(np.array_equal(a, b) for a, b in zip(one.frames, other.frames, strict=True))
    return frames and all(np.array_equal(a.boxes, b.boxes) for a, b in zip(one.targets, other.targets, strict=True))


def test_a_sample_depends_on_epoch_clip_and_seed_alone(reader: ClipReader):
    samples = ClipSamples(reader, CLIPS, 64, Augment(), seed=1)
    first = samples[0, 3]
    samples[1, 2]
    assert _same(samples[0, 3], first) and _same(ClipSamples(reader, CLIPS, 64, Augment(), seed=1)[0, 3], first)
    assert not _same(samples[1, 3], first) and not _same(ClipSamples(reader, CLIPS, 64, Augment(), seed=2)[0, 3], first)


def test_boxes_are_resized_with_their_frames(reader: ClipReader):
    still = Augment(flip=0.0, scale=0.0, translate=0.0, colour=0.0)
    sample = ClipSamples(reader, CLIPS, 96, still, seed=1)[0, 4]
    boxes = boxes_of(5) * 1.5  # 64 to 96 pixels
    assert sample.frames[0].shape == (96, 96, 3)
    assert np.array_equal(sample.targets[0].boxes, np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]))


def test_a_batch_flattens_its_clips(reader: ClipReader):
    still = Augment(flip=0.0, scale=0.0, translate=0.0, colour=0.0)
    samples = ClipSamples(reader, CLIPS, 64, still, seed=1)
    batch = collate([samples[0, 0], samples[0, 5]])
    assert batch.images.shape == (4, 3, 64, 64) and batch.images.dtype == torch.uint8 and len(batch) == 4
    assert batch.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and batch.classes.tolist() == [0, 1] * 4
    left, top = boxes_of(6)[0][:2]  # clip 5 begins with frame 6
    assert batch.boxes[4, :2].tolist() == [left, top]
    red, _, blue = batch.images[2, :, top + 12, left + 6].tolist()
    assert red > 180 and blue < 80  # channels are red, green, blue
    assert [len(part) for part in vars(batch.to(torch.device("cpu"))).values()] == [4, 8, 8, 8]


def test_workers_change_nothing(reader: ClipReader):
    def batches(workers: int) -> list:
        samples = ClipSamples(reader, CLIPS, 64, Augment(), seed=1)
        return list(make_loader(samples, RunOrder(len(CLIPS), 2, 2, seed=1), workers))

    for one, other in zip(batches(0), batches(2), strict=True):
        assert all(
            torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "boxes", "classes", "frame")
        )


def test_opencv_has_no_threads_when_workers_are_forked(reader: ClipReader):
    """A fork waits for ever for threads that it does not have."""
    threads = cv2.getNumThreads()
    samples = ClipSamples(reader, CLIPS, 64, Augment(), seed=1)
    try:
        cv2.setNumThreads(2)
        make_loader(samples, RunOrder(7, 2, 1, seed=1), 0)
        assert cv2.getNumThreads() == 2
        make_loader(samples, RunOrder(7, 2, 1, seed=1), 2)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_frame_is_one_line_from_any_process(reader: ClipReader, tmp_path: Path, workers: int):
    archive = tmp_path / "data/sources/street/a.zip"
    content = archive.read_bytes()
    place = content.index(b"img1/000004.jpg") + len("img1/000004.jpg") + 40
    archive.write_bytes(content[:place] + bytes(200) + content[place + 200 :])
    with pytest.raises(InputError, match=r"street/a\.zip") as caught:
        list(make_loader(ClipSamples(reader, CLIPS, 64, Augment(), seed=1), RunOrder(7, 2, 1, seed=1), workers))
    assert "\n" not in str(caught.value)
