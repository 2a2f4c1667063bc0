"""How well an appearance model finds the test split's individuals again: scores, and what the pictures show.

Reads data/crops/NAME/.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.appearance.embedding import Embedder
from stages.appearance.market import GALLERY, QUERY, Shot, read_shots
from stages.appearance.ranking import Found, Gallery, search, summarise
from stages.appearance.selecting import FIRST_HALF, SECOND_HALF
from stages.errors import InputError

_READ = 256  # crops that are in memory at once


@dataclass(frozen=True)
class Scored:
    """The scores as metrics/reid.json has them, and what they come from."""

    scores: dict
    found: list[Found]
    queries: list[Shot]
    gallery: list[Shot]


def score_embedder(embedder: Embedder, folder: Path) -> Scored:
    """Search the gallery for every query, see `ranking`.

    Where an identity was seen by one camera alone, its cameras are times (see `selecting`); `cross_camera` has the
    scores of those queries alone that ask across cameras proper, where there are both.
    """
    queries, gallery = read_shots(folder / QUERY), read_shots(folder / GALLERY)
    found = search(_embedded(embedder, queries), _embedded(embedder, gallery))
    cameras = _cameras(folder)
    across = [each for each in found if not cameras[queries[each.query].path.name].endswith((FIRST_HALF, SECOND_HALF))]
    identities = len({queries[each.query].identity for each in found})
    scores = _rounded(summarise(found)) | {"queries": len(found), "gallery": len(gallery), "identities": identities}
    if 0 < len(across) < len(found):
        scores["cross_camera"] = _rounded(summarise(across)) | {"queries": len(across)}
    return Scored(scores, found, queries, gallery)


def _embedded(embedder: Embedder, shots: list[Shot]) -> Gallery:
    parts = [
        embedder.embed([read_image(shot.path) for shot in shots[start : start + _READ]])
        for start in range(0, len(shots), _READ)
    ]
    identities, cameras = (np.array([getattr(shot, key) for shot in shots], np.int64) for key in ("identity", "camera"))
    return Gallery(np.concatenate(parts), identities, cameras)


def read_image(path: Path) -> np.ndarray:
    """A crop, (h, w, 3) uint8 blue-green-red."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(str(path), "unreadable image", "run `dvc repro reid` again")
    return image


def _cameras(folder: Path) -> dict[str, str]:
    """The camera's name of every query, by file."""
    with (folder / "crops.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["camera"] for row in csv.DictReader(file) if row["folder"] == QUERY}


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 6) for key, value in scores.items()}


def spread(found: list[Found], count: int) -> Iterable[Found]:
    """``count`` of all queries, from the one that found worst to the one that found best, evenly spread."""
    ordered = sorted(found, key=lambda each: (each.average_precision, each.query))
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[place] for place in places]
