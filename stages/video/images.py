"""A folder of images as footage, in the order of the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2

from stages.errors import InputError
from stages.video.frames import Footage, Frame

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class ImageFolder(Footage):
    """The images in a folder, or in its img1/ as MOTChallenge lays sequences out; ``rate`` in frames a second."""

    def __init__(self, path: Path, rate: Fraction | None):
        folder = path / "img1" if (path / "img1").is_dir() else path
        named = [each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and each.name[0] != "."]
        self.path, self.name, self.warnings = path, path.resolve().name, []
        self._images = sorted(named, key=_by_number)
        if not named:
            raise InputError(str(path), "no images in it", "give a video or a folder of images")
        if rate is None:
            raise InputError(str(path), "images state no frame rate", "give it, as in `--fps 25`")
        self._rate, self.fps, self.expected = rate, float(rate), len(named)

    def _read(self) -> Iterator[Frame]:
        for number, path in enumerate(self._images):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise InputError(str(path), "no image, or a damaged one", "replace it or take it away")
            yield Frame(image, number / self._rate)


def _by_number(path: Path) -> tuple:
    """Sorts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", path.stem)
    return tuple((int(part), part) if part.isdecimal() else (-1, part) for part in parts), path.name
