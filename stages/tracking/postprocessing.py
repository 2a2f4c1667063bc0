"""What is done to tracks once a sequence is whole: gaps are filled and boxes smoothed, by BoxMOT's functions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stages.params.postprocess import Postprocess
from stages.tracking.options import gap_frames
from stages.tracking.sequence import CLASS, FRAME, HEIGHT, ID, LEFT, WIDTH

_BOX = slice(LEFT, HEIGHT + 1)
# A long track is smoothed piece by piece, since the cost grows with the cube of a piece's length. In lengths of the
# kernel: what is kept of a piece, and what it sees more on either side, where 16 change a box by under 0.01 pixels.
_KEPT, _SEEN = 24, 16


def postprocess(tracks: np.ndarray, settings: Postprocess, fps: float) -> np.ndarray:
    """Tracks (M, 8), as `track_sequence` gives them, with their gaps filled and their boxes smoothed.

    Ids, classes and the boxes' frames stay; filled boxes and their scores lie on the line between those on either
    side of the gap and have the class of the one before it. Sorted by frame and id. ``fps`` in frames a second.
    """
    if len(tracks) and settings.max_gap is not None:
        tracks = fill_gaps(tracks, gap_frames(settings.max_gap, fps))
    if len(tracks) and settings.smoothing is not None:
        tracks = smooth(tracks, settings.smoothing * fps)
    return tracks[np.lexsort((tracks[:, ID], tracks[:, FRAME]))]


def fill_gaps(tracks: np.ndarray, step: int) -> np.ndarray:
    """Tracks with boxes on the line between two of a track that are at most ``step`` frames apart, by id and frame."""
    from boxmot.postprocessing.gsi import linear_interpolation

    filled = linear_interpolation(tracks, step + 1)
    # It weighs every column by a fraction: frames are off by rounding, and a class may lie between two.
    filled[:, FRAME] = filled[:, FRAME].round()
    ordered = tracks[np.lexsort((tracks[:, FRAME], tracks[:, ID]))]
    before = np.searchsorted(_key(ordered), _key(filled), side="right") - 1
    filled[:, CLASS] = ordered[before, CLASS]
    return filled


def _key(tracks: np.ndarray) -> np.ndarray:
    """A number that orders rows by id, then by frame."""
    return tracks[:, ID] * 2.0**31 + tracks[:, FRAME]


def smooth(tracks: np.ndarray, length: float) -> np.ndarray:
    """Tracks with left, top, width and height smoothed over time, each track for itself; by id and frame.

    The mean of a Gaussian process with a squared-exponential kernel of ``length`` frames (Rasmussen and Williams
    2006, eq. 4.9 and 2.25), the last step of StrongSORT's GSI (arXiv:2202.13514). There the kernel shrinks with a
    track's length in frames, to nothing for a track of 34 s at 30 frames a second; here it is the same for all.
    A box that would be left without area stays as it was.
    """
    from threadpoolctl import threadpool_limits

    ordered = tracks[np.lexsort((tracks[:, FRAME], tracks[:, ID]))]
    bounds = np.flatnonzero(np.diff(ordered[:, ID])) + 1
    with threadpool_limits(1):  # the last digits depend on the number of threads
        smoothed = np.concatenate([_smooth_track(track, length) for track in np.split(ordered, bounds)])
    empty = (smoothed[:, WIDTH] <= 0) | (smoothed[:, HEIGHT] <= 0)
    smoothed[empty] = ordered[empty]
    return smoothed


def _smooth_track(track: np.ndarray, length: float) -> np.ndarray:
    """One track, (n, 8) by frame; no more than a piece of it at a time is held as a matrix."""
    result = track.copy()
    for kept, seen in _pieces(len(track), math.ceil(_KEPT * length), math.ceil(_SEEN * length)):
        piece = track[seen]
        first = kept.start - seen.start
        result[kept, _BOX] = _smooth_piece(piece, length)[first : first + kept.stop - kept.start]
    return result


def _pieces(count: int, kept: int, seen: int) -> Iterator[tuple[slice, slice]]:
    """Slices of ``kept`` rows that make up ``count``, and the same with ``seen`` rows more on either side."""
    for first in range(0, count, kept):
        last = min(first + kept, count)
        yield slice(first, last), slice(max(0, first - seen), min(last + seen, count))


def _smooth_piece(piece: np.ndarray, length: float) -> np.ndarray:
    """Boxes (n, 4) of rows (n, 8) of one track."""
    from boxmot.postprocessing.gsi import gaussian_smooth

    if len(piece) < 2:
        return piece[:, _BOX]
    return gaussian_smooth(piece, _tau(length, len(piece)))[:, _BOX]


def _tau(length: float, count: int) -> float:
    """The parameter for which BoxMOT's kernel, tau log(tau^3 / count), has ``length`` on a track of ``count`` boxes."""
    from scipy.special import lambertw

    root = count ** (1 / 3)
    return root * math.exp(lambertw(length / (3 * root)).real)
