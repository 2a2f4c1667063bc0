"""Mistakes, and what a detector saw of them, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from stages.explaining.account import Account
from stages.explaining.looking import Heat
from stages.explaining.mistakes import Mistake

Prepared = tuple[torch.Tensor, tuple[int, int]]


def mistake(kind: str = "miss", number: int = 1, box: tuple = (10, 10, 30, 50), **changes: object) -> Mistake:
    """A miss of target ``number``, or a false alarm of track ``number``, that nothing excuses; with ``changes``."""
    ids = {"gt_id": number, "track_id": None} if kind == "miss" else {"gt_id": None, "track_id": number}
    values = {
        "source": "street",
        "sequence": "a",
        "frame": 1,
        "kind": kind,
        "label": "person",
        "cause": "other",
        **ids,
        "box": np.array(box, np.float64),
        "visibility": 1.0,
        "crowding": 0.0,
        "iou": 0.0,
        "iou_with": None,
    }
    return Mistake(**values | changes)


def account(of: Mistake, **changes: object) -> Account:
    """An account of a candidate that was too unsure; with ``changes``."""
    heat = Heat(np.full((60, 100), 1 / 6000, np.float32), "gradient")
    values = {
        "mistake": of,
        "fate": "unsure",
        "box": np.array([12.0, 10, 30, 50]),
        "score": 0.03,
        "overlap": 0.62,
        "overlap_with": "target",
        "heat": heat,
        "inside": 0.123,
        "expected": 0.041,
    }
    return Account(**values | changes)


def whole(images: torch.Tensor) -> tuple[np.ndarray, Callable[[np.ndarray], Prepared]]:
    """The first of (B, 3, H, W) images as a frame, and the preparation that gives it to a network as it is."""
    size = images.shape[3], images.shape[2]
    return images[0].permute(1, 2, 0).numpy()[..., ::-1].copy(), lambda _: (images[:1], size)
