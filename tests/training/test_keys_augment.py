"""Keys of `augment`."""

from __future__ import annotations

import pytest
import torch

from tests.training_keys import STILL, Row, Run, Train


def _sides(run: Run) -> torch.Tensor:
    """Width and height of every box of the first micro-batch, (N, 2)."""
    return run.first.boxes[:, 2:] - run.first.boxes[:, :2]


def flip(train: Train) -> None:
    plain, flipped = train(**STILL).first, train(**STILL | {"augment.flip": 1.0}).first
    assert torch.equal(flipped.images, plain.images.flip(-1))
    x1, y1, x2, y2 = plain.boxes.T
    assert torch.equal(flipped.boxes, torch.stack([64 - x2, y1, 64 - x1, y2], 1))


def scale(train: Train) -> None:
    half = train(**STILL | {"augment.scale": [0.5, 0.5]})  # from and to: all are zoomed alike
    assert torch.equal(_sides(half), _sides(train(**STILL)) / 2)
    assert (half.first.images[:, :, 0] == 114).all()  # grey around it
    zooms = _sides(train(**STILL | {"augment.scale": [0.6, 0.9]}))[::2] / torch.tensor([12, 24])  # the persons'
    assert 0.55 < zooms.min() < zooms.max() < 0.95 and (zooms[:, 0] - zooms[:, 1]).abs().max() < 0.1


def translate(train: Train) -> None:
    plain, shifted = train(**STILL).first, train(**STILL | {"augment.translate": 0.05}).first
    assert not torch.equal(plain.images, shifted.images) and len(plain.boxes) == len(shifted.boxes)
    moved = (shifted.boxes - plain.boxes).abs()
    assert moved.max() <= 0.05 * 64 + 0.5 and moved.min(0).values.max() > 0  # to the next whole pixel


def colour(train: Train) -> None:
    plain, other = train(**STILL).first, train(**STILL | {"augment.colour": 0.5}).first
    assert torch.equal(plain.boxes, other.boxes) and not torch.equal(plain.images, other.images)
    assert torch.equal(plain.images, train(**STILL).first.images)


def crop(train: Train) -> None:
    run = train(**STILL | {"augment.crop": 1.0, "memory.batch": 8})
    names = set(run.first.names)
    assert not (run.first.images == 114).all(1).any()  # a window of the frame fills the image
    whole = _sides(run)[(run.first.boxes > 0).all(1) & (run.first.boxes < 64).all(1)]
    assert len(whole) and (whole.min(1).values > 12).all() and (whole <= 2 * 24 + 1).all()
    assert names == set(train(**STILL | {"memory.batch": 8}).first.names)


def _clips(run: Run) -> list[set[int]]:
    """Of every epoch, how many clips there were in an image."""
    counts = [{name.count(" + ") + 1 for name in seen.names} for seen in run.script.batches]
    return [counts[first] | counts[first + 1] for first in range(0, len(counts), 2)]


def mosaic(train: Train) -> None:
    assert _clips(train(**STILL)) == [{1}, {1}]
    run = train(**STILL | {"augment.mosaic": 1.0})
    assert _clips(run) == [{4}, {4}]
    assert len(run.first.boxes) != 8  # parts of four frames with two boxes each


def close_mosaic(train: Train) -> None:
    run = train(**STILL | {"augment.mosaic": 1.0, "augment.close_mosaic": 2, "epochs": 4})
    assert _clips(run) == [{4}, {4}, {1}, {1}]
    assert run.outcome.settings["augment"]["close_mosaic"] == 2


ROWS: dict[str, Row] = {
    "augment.flip": flip,
    "augment.scale": scale,
    "augment.translate": translate,
    "augment.colour": colour,
    "augment.crop": crop,
    "augment.mosaic": mosaic,
    "augment.close_mosaic": close_mosaic,
}


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)
