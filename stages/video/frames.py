"""What footage is to those who track it: frames with their times, one after another, never all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages.errors import InputError

RATES = (0.01, 1000.0)  # frames a second that footage may have


@dataclass(frozen=True)
class Frame:
    """``image`` (H, W, 3) uint8 blue-green-red, upright; ``time`` in seconds since the first frame."""

    image: np.ndarray
    time: Fraction


class Footage(ABC):
    """Frames of one size at ``fps`` frames a second, on average where they come unevenly."""

    path: Path
    name: str  # of what is written about it
    fps: float
    expected: int | None  # how many frames there will be, as far as that is known before they are read
    warnings: list[str]  # what was wrong with the frames that the last `frames` went through

    @abstractmethod
    def _read(self) -> Iterator[Frame]:
        """All frames, whatever their size."""

    def frames(self) -> Iterator[Frame]:
        """All frames, the same every time; raises `InputError` where their size changes."""
        self.warnings = []
        size = None
        for number, frame in enumerate(self._read(), start=1):
            height, width = frame.image.shape[:2]
            if size is None:
                size = (width, height)
            if size != (width, height):
                what = f"frame {number} has {width}x{height} pixels, those before it {size[0]}x{size[1]}"
                raise InputError(str(self.path), what, "cut it there and track the parts")
            yield frame


def checked_rate(fps: str | None) -> Fraction | None:
    """The frame rate that a user gives, `25` or `30000/1001`; raises `InputError`."""
    if fps is None:
        return None
    try:
        rate = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"--fps {fps}", "not a frame rate", "give frames a second, as in `--fps 25`")
    return rate


def frame_rate(times: list[float], stated: float) -> float:
    """Frames a second of frames at ``times`` in seconds, rising: as ``stated``, unless that is more than 2% off.

    The mean over the frames, but for pauses: steps longer than three usual ones, as damaged frames leave them.
    """
    steps = np.diff(times)
    if not len(steps):
        return stated
    measured = float(1 / steps[steps <= 3 * np.median(steps)].mean())
    return measured if abs(measured / stated - 1) > 0.02 else stated
