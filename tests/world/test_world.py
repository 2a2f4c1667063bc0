"""The embedded world: determinism, splits, what gt.txt says, and both views' promises."""

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.params.sources import WORLD_LABELS, WorldSource
from stages.sequences.annotations import CLASS, CONFIDENCE, FRAME, HEIGHT, ID, LEFT, TOP, VISIBILITY, WIDTH
from stages.sequences.archive import Sequence, write_archive
from stages.world import WorldSequence, world_sequences

CLASSES = {"person": "person", "car": "car", "hidden": "distractor"}
COUNTS = {"train": 2, "val": 1, "test": 2}


def source(view: str, **changed) -> WorldSource:
    values = {"format": "world", "view": view, "sequences": COUNTS, "frames": 60, "classes": CLASSES} | changed
    return WorldSource.model_validate(values)


def sequence(view: str, name: str, **changed) -> WorldSequence:
    return next(entry for entry in world_sequences(source(view, **changed)) if entry.name == name)


@cache
def rendered(view: str, name: str) -> tuple[list[bytes], np.ndarray]:
    return sequence(view, name).render()


def digest(frames: list[bytes], gt: np.ndarray) -> str:
    return hashlib.sha256(b"".join(frames) + gt.tobytes()).hexdigest()


def test_names_splits_and_rates():
    listed = world_sequences(source("street"))
    names = ["street-train-01", "street-train-02", "street-val-01", "street-test-01", "street-test-02"]
    assert [entry.name for entry in listed] == names
    assert [entry.split for entry in listed] == ["train", "train", "val", "test", "test"]
    assert [(entry.scene, entry.camera) for entry in listed] == [(0, 0), (0, 1), (0, 0), (0, 0), (0, 1)]
    assert {entry.info.fps for entry in listed} == {10.0}
    air = world_sequences(source("air"))
    assert {entry.info.fps for entry in air} == {20.0}
    assert [(entry.scene, entry.camera) for entry in air] == [(0, 0), (1, 0), (0, 0), (0, 0), (1, 0)]


@pytest.mark.parametrize("view", ["street", "air"])
def test_same_seed_same_bytes_in_a_fresh_process(view):
    few = sequence(view, f"{view}-val-01", frames=4)
    expected = digest(*few.render())
    assert digest(*few.render()) == expected
    program = (
        "import hashlib, sys\n"
        "from stages.params.sources import WorldSource\n"
        "from stages.world import world_sequences\n"
        "listed = world_sequences(WorldSource.model_validate_json(sys.argv[1]))\n"
        "frames, gt = next(entry for entry in listed if entry.name == sys.argv[2]).render()\n"
        "print(hashlib.sha256(b''.join(frames) + gt.tobytes()).hexdigest())\n"
    )
    arguments = [sys.executable, "-c", program, few.source.model_dump_json(), few.name]
    top = Path(__file__).resolve().parents[2]
    assert subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=top).stdout.strip() == expected


@pytest.mark.parametrize("view", ["street", "air"])
def test_other_seed_or_split_other_world(view):
    digests = {
        digest(*sequence(view, f"{view}-{split}-01", frames=2, seed=seed).render())
        for seed, split in ((0, "train"), (0, "test"), (0, "val"), (1, "train"))
    }
    assert len(digests) == 4


@pytest.mark.parametrize("view", ["street", "air"])
def test_longer_begins_with_the_shorter(view):
    short, gt = sequence(view, f"{view}-test-01", frames=5).render()
    whole, whole_gt = rendered(view, f"{view}-test-01")
    assert short == whole[:5]
    np.testing.assert_array_equal(gt, whole_gt[whole_gt[:, FRAME] <= 5])


@pytest.mark.parametrize("view", ["street", "air"])
def test_rows_keep_their_contract(view):
    frames, gt = rendered(view, f"{view}-train-01")
    assert len(frames) == 60
    assert cv2.imdecode(np.frombuffer(frames[0], np.uint8), cv2.IMREAD_COLOR).shape == (192, 320, 3)
    assert gt.shape[1] == 9
    assert gt.dtype == np.float64
    assert (gt[:, [LEFT, TOP]] >= 0).all()
    assert (gt[:, LEFT] + gt[:, WIDTH] <= 320).all()
    assert (gt[:, TOP] + gt[:, HEIGHT] <= 192).all()
    assert (gt[:, [WIDTH, HEIGHT]] > 0).all()
    assert set(gt[:, CONFIDENCE]) == {1}
    assert set(gt[:, CLASS]) <= set(WORLD_LABELS)
    assert ((gt[:, VISIBILITY] > 0) & (gt[:, VISIBILITY] <= 1)).all()
    assert (gt[gt[:, VISIBILITY] < 0.4][:, CLASS] == 3).all()
    assert (gt[gt[:, HEIGHT] < 4][:, CLASS] == 3).all()
    assert len(np.unique(gt[:, [FRAME, ID]], axis=0)) == len(gt)
    assert (np.lexsort((gt[:, ID], gt[:, FRAME])) == np.arange(len(gt))).all()


@pytest.mark.parametrize("view", ["street", "air"])
def test_ids_last_and_tell_people_from_cars(view):
    _, gt = rendered(view, f"{view}-train-01")
    people, cars = gt[gt[:, CLASS] == 1], gt[gt[:, CLASS] == 2]
    assert people[:, ID].max() <= 24
    assert cars[:, ID].min() >= 25
    assert cars[:, ID].max() <= 32
    for identity in np.unique(gt[:, ID]):  # nobody jumps: in the next frame a box is near the one before
        track = gt[gt[:, ID] == identity]
        centre = track[:, [LEFT, TOP]] + track[:, [WIDTH, HEIGHT]] / 2
        consecutive = np.diff(track[:, FRAME]) == 1
        assert (np.abs(np.diff(centre, axis=0))[consecutive] < 60).all()


@pytest.mark.parametrize(("view", "least", "most"), [("street", 4, 16), ("air", 8, 27)])
def test_how_many_are_to_be_seen(view, least, most):
    _, gt = rendered(view, f"{view}-train-01")
    seen = np.array([((gt[:, FRAME] == frame) & (gt[:, CLASS] < 3)).sum() for frame in range(1, 61)])
    assert least <= np.median(seen) <= most


def test_sizes_differ_between_the_views():
    heights = {}
    for view in ("street", "air"):
        _, gt = rendered(view, f"{view}-train-01")
        heights[view] = np.median(gt[(gt[:, CLASS] == 1) & (gt[:, VISIBILITY] > 0.9)][:, HEIGHT])
    assert 20 <= heights["street"] <= 90
    assert 5 <= heights["air"] <= 14


def test_cameras_of_a_scene_share_ids_and_looks():
    """Someone whom both cameras see wears the same top in both."""
    hues = []
    views = [rendered("street", f"street-train-0{number}") for number in (1, 2)]
    shared = set.intersection(*(set(gt[gt[:, CLASS] == 2][:, ID]) for _, gt in views))
    assert shared
    for identity in sorted(shared):
        pair = []
        for frames, gt in views:
            track = gt[(gt[:, ID] == identity) & (gt[:, CLASS] == 2) & (gt[:, VISIBILITY] > 0.95)]
            if len(track):
                pair.append(_colour(frames, track[np.argmax(track[:, WIDTH] * track[:, HEIGHT])]))
        if len(pair) == 2:
            hues.append(np.corrcoef(*pair)[0, 1])
    assert hues
    assert np.median(hues) > 0.5


def _colour(frames: list[bytes], row: np.ndarray) -> np.ndarray:
    """Hue and saturation histogram of the middle of a box."""
    image = cv2.imdecode(np.frombuffer(frames[int(row[FRAME]) - 1], np.uint8), cv2.IMREAD_COLOR)
    left, top, width, height = row[[LEFT, TOP, WIDTH, HEIGHT]]
    part = image[
        int(top + height / 4) : int(top + 3 * height / 4) + 1, int(left + width / 4) : int(left + 3 * width / 4) + 1
    ]
    return cv2.calcHist([cv2.cvtColor(part, cv2.COLOR_BGR2HSV)], [0, 1], None, [12, 3], [0, 180, 0, 256]).ravel()


def test_someone_leaves_and_returns():
    gaps = 0
    for number in (1, 2):
        _, gt = rendered("street", f"street-train-0{number}")
        for identity in np.unique(gt[:, ID]):
            seen = gt[(gt[:, ID] == identity) & (gt[:, CLASS] < 3)][:, FRAME]
            gaps += len(seen) and len(seen) < seen[-1] - seen[0] + 1
    assert gaps


@pytest.mark.parametrize("view", ["street", "air"])
def test_cameras_stand_still_or_fly(view):
    """Median difference between the first and a later frame: grain on the street, everything from a drone."""
    frames, _ = rendered(view, f"{view}-train-01")
    first, last = (cv2.imdecode(np.frombuffer(frames[index], np.uint8), 0).astype(int) for index in (0, 40))
    change = np.median(np.abs(first - last))
    assert change <= 4 if view == "street" else change > 6


@pytest.mark.parametrize(("view", "width", "height"), [("street", 96, 64), ("air", 640, 360), ("street", 64, 200)])
def test_other_sizes_and_counts(view, width, height):
    frames, gt = sequence(view, f"{view}-val-01", frames=2, width=width, height=height, people=3, cars=1).render()
    image = cv2.imdecode(np.frombuffer(frames[1], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (height, width, 3)
    assert len(frames) == 2
    assert (gt[:, LEFT] + gt[:, WIDTH] <= width).all()
    assert (gt[:, TOP] + gt[:, HEIGHT] <= height).all()
    assert gt[:, ID].max(initial=0) <= 4


def test_archives_hold_what_was_rendered(tmp_path):
    entry = sequence("air", "air-val-01", frames=3)
    frames, gt = entry.render()
    write_archive(tmp_path / "a.zip", entry.info, frames, gt)
    opened = Sequence(tmp_path / "a.zip")
    assert opened.info == entry.info
    assert opened.encoded(3) == frames[2]
    np.testing.assert_allclose(opened.gt(), gt)
