"""What is trained on, step by step."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.appearance.batches import Batches, change
from stages.appearance.market import Shot
from stages.appearance.preparing import MEAN, normalised
from stages.errors import InputError
from stages.params.reid import Reid

REID = Reid(sources=("street",), image_size=(64, 32), epochs=3, identities=3, crops=2, erasing=0.0)
COUNTS = {3: 4, 5: 1, 6: 2, 9: 3, 12: 4}  # identity: crops


@pytest.fixture
def shots(tmp_path: Path) -> list[Shot]:
    """Each crop in one grey of its own."""
    found = []
    for identity, count in COUNTS.items():
        for number in range(count):
            path = tmp_path / f"{identity:04d}_c1s1_{number:06d}_00.png"
            cv2.imwrite(str(path), np.full((20, 10, 3), 10 * identity + number, np.uint8))
            found.append(Shot(path, identity, 1))
    return found


def greys(images: np.ndarray) -> list[int]:
    """The grey of every crop of a batch."""
    red = images[:, 0, 20, 10] * 0.229 + MEAN[0]
    return np.round(255 * red).astype(int).tolist()


def test_a_batch_has_some_identities_and_some_crops_of_each(shots: list[Shot]):
    batches = Batches(shots, REID, 0)
    assert (batches.identities, batches.size, batches.steps_per_epoch, batches.steps) == (5, 6, 3, 9)
    for images, identities in batches.after(0):
        assert images.shape == (6, 3, 64, 32) and images.dtype == np.float32
        assert identities[::2].tolist() == identities[1::2].tolist() and len(set(identities.tolist())) == 3
        names = [sorted(COUNTS)[number] for number in identities]
        assert [grey // 10 for grey in greys(images)] == names
        pairs = zip(greys(images)[::2], greys(images)[1::2], names[::2], strict=True)
        assert all((one != other) or COUNTS[name] == 1 for one, other, name in pairs)


def test_all_identities_take_their_turn(shots: list[Shot]):
    seen = np.concatenate([identities[::2] for _, identities in Batches(shots, REID, 0).after(0)])
    assert np.bincount(seen, minlength=5).min() >= 4 and len(seen) == 27


def test_the_place_in_the_run_decides_and_nothing_else(shots: list[Shot]):
    reid = REID.model_copy(update={"erasing": 0.5})
    whole, rest = list(Batches(shots, reid, 0).after(0)), list(Batches(shots, reid, 0).after(4))
    assert len(rest) == 5
    for one, other in zip(whole[4:], rest, strict=True):
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    assert not np.array_equal(whole[0][0], next(Batches(shots, reid, 1).after(0))[0])
    assert list(Batches(shots, reid, 0).after(9)) == []


def test_a_damaged_crop_has_a_name(shots: list[Shot]):
    for shot in shots:
        shot.path.write_bytes(b"not an image")
    with pytest.raises(InputError, match="unreadable image"):
        next(Batches(shots, REID, 0).after(0))


def test_changes_stay_within_the_crop():
    image = np.dstack([np.tile(np.linspace(0, 255, 16), (32, 1))] * 3).astype(np.uint8)
    changed = [change(image, REID, np.random.default_rng(seed)) for seed in range(20)]
    assert {one.shape for one in changed} == {(64, 32, 3)}
    rising = [bool(one[10, 31, 0] > one[10, 0, 0]) for one in changed]
    assert 4 < sum(rising) < 16  # about half are mirrored
    assert all(
        (np.diff(one[10, :, 0].astype(int)) * (1 if up else -1) >= 0).all()
        for one, up in zip(changed, rising, strict=True)
    )


def test_what_is_erased_is_0_for_the_network():
    reid = REID.model_copy(update={"erasing": 1.0})
    image = np.full((64, 32, 3), 255, np.uint8)
    shares = []
    for seed in range(50):
        planes = normalised(change(image, reid, np.random.default_rng(seed))[None])[0]
        erased = np.abs(planes).max(axis=0) < 0.02
        assert planes[:, ~erased].min() > 1
        shares.append(erased.mean())
    assert min(shares) > 0.01 and max(shares) < 0.42 and 0.1 < np.mean(shares) < 0.3
