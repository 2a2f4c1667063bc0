from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.mixtures.clips import ClipReader, Targets
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning
from stages.params import Stage
from stages.sequences.archive import SequenceInfo, write_archive
from stages.training.samples import TRIAL, ClipSamples, Sample, largest
from tests.rectangles import CLASSES, boxes_of, write_source

CLIPS = [Clip("street", "a", "train", (n, n + 1), 0.1) for n in range(1, 8)]
STILL = {"flip": 0.0, "scale": (1.0, 1.0), "translate": 0.0, "colour": 0.0}


def _stage(augment: dict | None = None, **memory: object) -> Stage:
    return Stage(
        mixture={"sources": {"street": {"frames": 14}}, "clip_length": 2},
        epochs=4,
        lr=0.1,
        augment=augment or {},
        memory={"batch": 2, "image_size": 64, **memory},
    )


def _reader(root: Path) -> ClipReader:
    meaning = SourceMeaning({1: "pedestrian", 3: "car"}, CLASSES, {})
    return ClipReader(Manifest(("person", "car"), ("street",), 0.0, {"street": meaning}), root / "data/sources")


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    write_source(tmp_path, "street", {"a": ("train", 9, 10.0), "b": ("train", 9, 10.0)})
    return _reader(tmp_path)


def _same(one: Sample, other: Sample) -> bool:
    frames = all(np.array_equal(a, b) for a, b in zip(one.frames, other.frames, strict=True))
    return frames and all(np.array_equal(a.boxes, b.boxes) for a, b in zip(one.targets, other.targets, strict=True))


@pytest.mark.parametrize("augment", [{}, {"mosaic": 0.5, "crop": 0.5}, {"mosaic": 1.0}])
def test_a_sample_depends_on_epoch_clip_side_and_seed_alone(reader: ClipReader, augment: dict):
    stage = _stage(augment)
    samples = ClipSamples(reader, CLIPS, stage, seed=1)
    first = samples[1, 3, 64]
    samples[2, 2, 96]
    assert _same(samples[1, 3, 64], first) and _same(ClipSamples(reader, CLIPS, stage, seed=1)[1, 3, 64], first)
    assert not _same(samples[2, 3, 64], first) and not _same(ClipSamples(reader, CLIPS, stage, seed=2)[1, 3, 64], first)


def test_boxes_are_resized_with_their_frames(reader: ClipReader):
    sample = ClipSamples(reader, CLIPS, _stage(STILL), seed=1)[1, 4, 96]
    boxes = boxes_of(5) * 1.5  # 64 to 96 pixels
    assert sample.frames[0].shape == (96, 96, 3) and sample.names == ("street/a frame 5", "street/a frame 6")
    assert np.array_equal(sample.targets[0].boxes, np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]))
    assert sample.targets[1].identities.tolist() == [1, 2] and sample.dropped == 0


def test_a_clip_is_changed_alike_at_every_side(reader: ClipReader):
    samples = ClipSamples(reader, CLIPS, _stage({"crop": 0.5, "mosaic": 0.5}), seed=1)
    for clip in range(len(CLIPS)):
        one, other = samples[1, clip, 64], samples[1, clip, 128]
        assert one.names == other.names
        for small, large in zip(one.targets, other.targets, strict=True):
            shared = np.isin(large.identities, small.identities)
            assert np.abs(large.boxes[shared] / 2 - small.boxes).max(initial=0) < 2


def _clips_in(sample: Sample) -> int:
    return sample.names[0].count("+") + 1


def test_mosaics_come_as_often_as_asked_and_not_in_the_closing_epochs(reader: ClipReader):
    samples = ClipSamples(reader, CLIPS * 12, _stage({"mosaic": 0.5, "close_mosaic": 1}), seed=1)
    counts = np.array([[_clips_in(samples[epoch, clip, 32]) for clip in range(84)] for epoch in (1, 3, 4)])
    assert set(counts[:2].ravel()) == {1, 4} and 0.4 < (counts[:2] == 4).mean() < 0.6
    assert not np.array_equal(counts[0], counts[1]) and (counts[2] == 1).all()
    never, always = (ClipSamples(reader, CLIPS, _stage({"mosaic": chance}), seed=1) for chance in (0.0, 1.0))
    assert {_clips_in(never[4, n, 32]) for n in range(7)} == {1}
    assert {_clips_in(always[4, n, 32]) for n in range(7)} == {4}


def test_without_a_mosaic_a_clip_is_what_it_would_be_if_there_were_none(reader: ClipReader):
    some, none = (ClipSamples(reader, CLIPS, _stage({"mosaic": chance}), seed=1) for chance in (0.5, 0.0))
    alone = [clip for clip in range(len(CLIPS)) if _clips_in(some[1, clip, 64]) == 1]
    assert alone and all(_same(some[1, clip, 64], none[1, clip, 64]) for clip in alone)


def test_partners_are_other_clips_of_the_same_length(reader: ClipReader):
    longer = [Clip("street", "b", "train", (n, n + 2, n + 4), 0.2) for n in (1, 2)]
    clips = [*CLIPS, *longer, Clip("street", "b", "train", (4,), 0.1)]
    samples = ClipSamples(reader, clips, _stage({"mosaic": 1.0}), seed=1)
    seen: set[str] = set()
    for epoch in (1, 2, 3, 4):
        first, *others = samples[epoch, 2, 32].names[0].split(" + ")
        assert first == "street/a frame 3" and len({first, *others}) == 4
        seen |= set(others)
    assert len(seen) == 6 and all(name.startswith("street/a") for name in seen)
    # With one other of its length that one comes three times; a clip with none is its own partner.
    assert samples[1, 7, 32].names[2] == "street/b frame 5 + " + " + ".join(["street/b frame 6"] * 3)
    assert samples[1, 9, 32].names == (" + ".join(["street/b frame 4"] * 4),)


def test_only_the_largest_targets_are_kept():
    boxes = np.float32([[0, 0, 4, 4], [0, 0, 9, 9], [0, 0, 2, 2], [1, 1, 5, 5], [0, 0, 5, 4]])
    ignored = np.float32([[7, 7, 8, 8]])
    targets = Targets(boxes, np.arange(5), np.arange(5) + 10, ignored, ignored)
    kept = largest(targets, 3)
    assert kept.identities.tolist() == [10, 11, 14] and kept.classes.tolist() == [0, 1, 4]
    assert kept.distractors.tolist() == [[7, 7, 8, 8], [0, 0, 2, 2], [1, 1, 5, 5]]
    assert kept.regions.tolist() == [[7, 7, 8, 8]] and largest(targets, 5) is targets


def test_what_max_objects_leaves_out_is_counted(reader: ClipReader):
    sample = ClipSamples(reader, CLIPS, _stage(STILL, max_objects=1), seed=1)[1, 0, 64]
    assert [len(target.boxes) for target in sample.targets] == [1, 1] and sample.dropped == 2
    assert [target.identities.tolist() for target in sample.targets] == [[1], [1]]  # 12 x 24 against 20 x 14
    mosaics = ClipSamples(reader, CLIPS, _stage({**STILL, "mosaic": 1.0}, max_objects=2), seed=1)
    shown = [mosaics[1, clip, 64] for clip in range(7)]
    assert all(len(target.boxes) <= 2 for sample in shown for target in sample.targets)
    assert sum(sample.dropped for sample in shown) > 10


def _crowds(root: Path, sizes: dict[str, tuple[int, int]], boxes: dict[tuple[str, int], int]) -> ClipReader:
    """Sequences of six empty frames of these sizes; ``boxes`` says how many are in a sequence's frame."""
    for name, (width, height) in sizes.items():
        encoded = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
        rows = [
            [frame, number + 1, 3 * number % (width - 4), 3 * (number // 10), 4, 4, 1, 1, 1]
            for frame in range(1, 7)
            for number in range(boxes.get((name, frame), 0))
        ]
        info = SequenceInfo(name, 10.0, width, height, 6)
        path = root / "data/sources/street" / f"{name}.zip"
        write_archive(path, info, [encoded] * 6, np.array(rows, np.float64).reshape(-1, 9))
    return _reader(root)


def _singles(*names: str) -> list[Clip]:
    return [Clip("street", name, "train", (frame,), 0.1) for name in names for frame in range(1, 7)]


def test_the_densest_clips_come_first(tmp_path: Path):
    reader = _crowds(tmp_path, {"a": (64, 64), "b": (64, 64)}, {("a", 2): 5, ("a", 6): 30, ("b", 1): 7, ("b", 3): 5})
    samples = ClipSamples(reader, _singles("a", "b"), _stage(STILL, image_size=(64, 96)), seed=1)
    assert samples.densest(4) == [(TRIAL, 5, 96), (TRIAL, 6, 96), (TRIAL, 1, 96), (TRIAL, 8, 96)]
    assert len(samples.densest(99)) == 12
    sample = samples[samples.densest(1)[0]]
    assert len(sample.targets[0].boxes) == 30 and sample.frames[0].shape == (96, 96, 3)
    few = ClipSamples(reader, _singles("a", "b"), _stage(STILL, max_objects=6), seed=1)  # 30 count as 6
    assert few.densest(2) == [(TRIAL, 5, 64), (TRIAL, 6, 64)] and few[TRIAL, 5, 64].dropped == 24


def test_the_densest_hold_the_highest_and_the_widest(tmp_path: Path):
    sizes = {"wide": (128, 32), "high": (32, 128), "broad": (128, 96)}
    reader = _crowds(tmp_path, sizes, {("wide", frame): 9 for frame in range(1, 7)} | {("broad", 2): 4, ("high", 3): 3})
    samples = ClipSamples(reader, _singles("wide", "high", "broad"), _stage(STILL, image_size=128), seed=1)
    assert [number for _, number, _ in samples.densest(3)] == [0, 1, 8]  # 8: the fullest of the highest
    assert [number for _, number, _ in samples.densest(1)] == [13]  # 13: the fullest of the largest


def test_a_trial_changes_nothing_and_has_the_densest_partners(tmp_path: Path):
    counts = {("a", 1): 40, ("a", 2): 30, ("a", 3): 35, ("b", 1): 38, ("b", 2): 1}
    reader = _crowds(tmp_path, {"a": (64, 64), "b": (64, 64)}, counts)
    wild = {"flip": 1.0, "scale": (0.5, 1.5), "translate": 0.5, "colour": 1.0, "crop": 1.0}
    alone = ClipSamples(reader, _singles("a", "b"), _stage(wild), seed=1)[TRIAL, 0, 64]
    assert len(alone.targets[0].boxes) == 40 and (alone.frames[0] == 0).all()
    mosaics = ClipSamples(reader, _singles("a", "b"), _stage({**wild, "mosaic": 0.1}), seed=1)
    fullest = mosaics[TRIAL, 0, 64]
    assert fullest.names == ("street/a frame 1 + street/b frame 1 + street/a frame 3 + street/a frame 2",)
    most = max(len(mosaics[epoch, 0, 64].targets[0].boxes) for epoch in range(1, 5))
    assert most <= len(fullest.targets[0].boxes) <= 143 and len(fullest.targets[0].boxes) > 80
    large = {**wild, "scale": (2.0, 2.0), "mosaic": 1.0}  # a mosaic that shows a quarter of each, and less
    assert _clips_in(ClipSamples(reader, _singles("a", "b"), _stage(large), seed=1)[TRIAL, 7, 64]) == 4
    closed = {**wild, "mosaic": 1.0, "close_mosaic": 4}
    assert _clips_in(ClipSamples(reader, _singles("a", "b"), _stage(closed), seed=1)[TRIAL, 0, 64]) == 1
