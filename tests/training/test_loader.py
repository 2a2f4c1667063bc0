from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch

from stages.errors import InputError
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning
from stages.params import Stage
from stages.training.loader import collate, make_loader
from stages.training.order import RunOrder
from stages.training.samples import ClipSamples
from tests.rectangles import CLASSES, boxes_of, write_source

CLIPS = [Clip("street", "a", "train", (n, n + 1), 0.1) for n in range(1, 8)]


STILL = {"flip": 0.0, "scale": (1.0, 1.0), "translate": 0.0, "colour": 0.0}


def _samples(reader: ClipReader, augment: dict | None = None, **memory: object) -> ClipSamples:
    stage = Stage(
        mixture={"sources": {"street": {"frames": 14}}, "clip_length": 2},
        epochs=4,
        lr=0.1,
        augment=augment or {},
        memory={"batch": 2, "image_size": 64, **memory},
    )
    return ClipSamples(reader, CLIPS, stage, seed=1)


def _order(epochs: int, sides: tuple[int, ...] = (64,)) -> RunOrder:
    return RunOrder(len(CLIPS), 2, 1, epochs, 1, sides)


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    write_source(tmp_path, "street", {"a": ("train", 9, 10.0)})
    meaning = SourceMeaning({1: "pedestrian", 3: "car"}, CLASSES, {})
    return ClipReader(Manifest(("person", "car"), ("street",), 0.0, {"street": meaning}), tmp_path / "data/sources")


def test_a_batch_flattens_its_clips(reader: ClipReader):
    samples = _samples(reader, STILL)
    batch = collate([samples[1, 0, 64], samples[1, 5, 64]], 32)
    assert batch.images.shape == (4, 3, 64, 64) and batch.images.dtype == torch.uint8 and len(batch) == 4
    assert batch.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and batch.classes.tolist() == [0, 1] * 4
    left, top = boxes_of(6)[0][:2]  # clip 5 begins with frame 6
    assert batch.boxes[4, :2].tolist() == [left, top]
    red, _, blue = batch.images[2, :, top + 12, left + 6].tolist()
    assert red > 180 and blue < 80  # channels are red, green, blue
    assert batch.names == tuple(f"street/a frame {number}" for number in (1, 2, 6, 7)) and batch.left_out == 0
    moved = batch.to(torch.device("cpu"))
    assert [len(part) for part in (moved.images, moved.boxes, moved.classes, moved.frame, moved.names)] == [
        4,
        8,
        8,
        8,
        4,
    ]


def test_a_piece_of_a_batch_is_a_batch(reader: ClipReader):
    samples = _samples(reader, STILL, max_objects=1)
    batch = collate([samples[1, clip, 64] for clip in (0, 1, 2)], 32)
    assert batch.left_out == 6
    piece = batch.piece(2, 5)
    assert torch.equal(piece.images, batch.images[2:5]) and torch.equal(piece.boxes, batch.boxes[2:5])
    assert piece.frame.tolist() == [0, 1, 2] and piece.names == batch.names[2:5]


def test_sides_are_filled_up_to_the_detectors_stride(reader: ClipReader):
    sample = _samples(reader, STILL)[1, 0, 96]
    assert collate([sample], 64).images.shape == (2, 3, 128, 128)
    assert (collate([sample], 64).images[:, :, 96:] == 114).all()


@pytest.mark.parametrize("augment", [{}, {"mosaic": 0.5, "crop": 0.5}])
def test_workers_change_nothing(reader: ClipReader, augment: dict):
    def batches(workers: int) -> list:
        return list(make_loader(_samples(reader, augment), _order(2, (64, 96)), workers, 32))

    assert len(batches(0)) == 8
    for one, other in zip(batches(0), batches(2), strict=True):
        tensors = ("images", "boxes", "classes", "frame")
        assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in tensors)
        assert one.names == other.names


def test_opencv_has_no_threads_when_workers_are_forked(reader: ClipReader):
    """A fork waits for ever for threads that it does not have."""
    threads = cv2.getNumThreads()
    samples = _samples(reader)
    try:
        cv2.setNumThreads(2)
        make_loader(samples, _order(1), 0, 32)
        assert cv2.getNumThreads() == 2
        make_loader(samples, _order(1), 2, 32)
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
        list(make_loader(_samples(reader), _order(1), workers, 32))
    assert "\n" not in str(caught.value)
