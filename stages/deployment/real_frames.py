"""The frames that an export is checked on: of the pipeline's sequences, or of a folder or an archive that is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.detectors.frames import GREY
from stages.errors import InputError
from stages.params import Params
from stages.sequences.annotations import FRAME
from stages.sequences.archive import Sequence
from stages.sequences.index import SOURCES, open_sequence, read_index

MOST = 8  # frames, besides the empty one
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
_REMEDY = "run `dvc repro` or `dvc pull`, or name a folder of images or a sequence archive with --frames"


@dataclass(frozen=True)
class RealFrame:
    """A frame and where it is from; ``image`` (H, W, 3) uint8, blue-green-red."""

    name: str
    image: np.ndarray


def frames_of_sources(params: Params, root: Path = SOURCES) -> list[RealFrame]:
    """The fullest and the emptiest frame of sequences of all sources, from the test split if there is one.

    The last one shows nothing at all. Raises `InputError` where there are no frames.
    """
    for split in ("test", "val", "train"):
        places = [(source, name) for source in params.sources for name in _names(source, split, root)]
        if places:
            step = max(1, 2 * len(places) // MOST)
            frames = [frame for source, name in places[::step] for frame in _extremes(source, name, root)]
            return with_empty(frames[:MOST])
    raise InputError(str(root), "no frames to check an export on", _REMEDY)


def _names(source: str, split: str, root: Path) -> list[str]:
    if not (root / source / "index.csv").exists():
        return []
    names = read_index(source, split, root)["sequence"]
    return [name for name in names if (root / source / f"{name}.zip").exists()]


def _extremes(source: str, name: str, root: Path) -> Iterator[RealFrame]:
    with closing(open_sequence(source, name, root)) as sequence:
        yield from _of_sequence(sequence, f"{source}/{name}", 2)


def _of_sequence(sequence: Sequence, name: str, most: int) -> Iterator[RealFrame]:
    """Frames of a sequence, from the one with most annotated boxes to the one with fewest."""
    counts = np.bincount(sequence.gt()[:, FRAME].astype(int), minlength=sequence.info.length + 1)
    order = np.argsort(-counts[1 : sequence.info.length + 1], kind="stable") + 1
    for number in _spread(order.tolist(), most):
        yield RealFrame(f"{name} frame {number}", sequence.frame(number))


def frames_in(place: Path) -> list[RealFrame]:
    """Frames of a sequence archive, or of a folder's images (those in its img1/, if it has one), evenly spread.

    The last one shows nothing at all. Raises `InputError` where there are no frames.
    """
    if place.is_file():
        with closing(Sequence(place)) as sequence:
            return with_empty(list(_of_sequence(sequence, str(place), MOST)))
    folder = place / "img1" if (place / "img1").is_dir() else place
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGES)
    if not paths:
        raise InputError(str(place), "no frames to check an export on", "name a folder of images or a sequence archive")
    return with_empty([RealFrame(str(path), _image(path)) for path in _spread(paths, MOST)])


def _image(path: Path) -> np.ndarray:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(str(path), "unreadable image", "delete it, or name another folder with --frames")
    return image


def _spread(items: list, most: int) -> list:
    """At most ``most`` of the items, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def with_empty(frames: list[RealFrame]) -> list[RealFrame]:
    """The frames, and an even grey one as large as the first: real footage seldom shows nothing."""
    return [*frames, RealFrame("grey", np.full_like(frames[0].image, GREY))]
