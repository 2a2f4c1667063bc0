"""The worst moments as one video: stretches of several sequences one after the other, each with a thumbnail.

Frames of different sizes are put into one, on black, and every moment runs at its own sequence's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages.drawing.canvas import MAX_WIDTH, even, output_size
from stages.drawing.diagnosis import Diagnosis, Verdict
from stages.drawing.thumbnails import write_thumbnail
from stages.drawing.video import Writer, decoded, rate_of, writing
from stages.drawing.views import captioned
from stages.sequences.archive import Sequence as Archive
from stages.sequences.archive import SequenceInfo

MAX_HEIGHT = 960  # pixels


@dataclass(frozen=True)
class Stretch:
    """Frames ``first``, ``first`` + 1, ... of a sequence, one for each of ``verdicts`` and ``scores``."""

    archive: Path
    title: str
    first: int
    thumbnail: int  # the frame that stands for it
    verdicts: Sequence[Sequence[Verdict]]
    scores: Sequence[tuple[float | None, int]]  # HOTA and switches so far


def write_reel(path: Path, stretches: Sequence[Stretch], thumbnails: Path) -> list[float]:
    """Write the video at ``path`` and ``thumbnails``/01.jpg, ...; returns where each stretch begins, in seconds.

    There must be one stretch at least.
    """
    infos = [_info(stretch) for stretch in stretches]
    size = _common([(info.width, info.height) for info in infos])
    rate = max(rate_of(info.fps) for info in infos)
    thumbnails.mkdir()
    starts, time = [], Fraction(0)
    with writing(path, size, rate, timed=True) as writer:
        for rank, stretch in enumerate(stretches, 1):
            starts.append(float(time))
            time = _write(writer, stretch, size, time, thumbnails / f"{rank:02d}.jpg")
    return starts


def _info(stretch: Stretch) -> SequenceInfo:
    with closing(Archive(stretch.archive)) as sequence:
        return sequence.info


def _common(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Width and height of a frame that each of ``sizes`` fits into as large as it is drawn, up to a limit."""
    drawn = [output_size(*size) for size in sizes]
    return even(min(MAX_WIDTH, max(each[0] for each in drawn)), min(MAX_HEIGHT, max(each[1] for each in drawn)))


def _write(writer: Writer, stretch: Stretch, size: tuple[int, int], time: Fraction, thumbnail: Path) -> Fraction:
    """Write one stretch from ``time`` on; returns its end."""
    with closing(Archive(stretch.archive)) as sequence:
        info = sequence.info
        frames = decoded(sequence, range(stretch.first, stretch.first + len(stretch.verdicts)))
        diagnosis = Diagnosis((info.width, info.height), info.fps, most=_most(info.width, info.height, size))
        for (number, frame), verdicts, scores in zip(frames, stretch.verdicts, stretch.scores, strict=True):
            caption = captioned(stretch.title, number, info.fps)
            image = diagnosis.draw(frame, number, verdicts, caption, scores)
            if number == stretch.thumbnail:
                write_thumbnail(thumbnail, image)
            writer.write(_letterboxed(image, size), time, key=number == stretch.first)
            time += 1 / rate_of(info.fps)
    return time


def _most(width: int, height: int, size: tuple[int, int]) -> float:
    """The width that a frame may be drawn with so that it fits into ``size``."""
    return min(size[0], size[1] * width / height)


def _letterboxed(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``image`` in the middle of a black frame of ``size``, which it fits into."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    result = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    result[top : top + height, left : left + width] = image
    return result
