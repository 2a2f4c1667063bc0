"""Mosaics: four clips in one, each a quarter of the image around a random centre.

Frame k of every clip is seen in frame k of the mosaic. Objects keep the size that they have without a mosaic: a
quarter shows a random part of its frame, not all of it made small (as in Bochkovskiy et al., YOLOv4, 2020, whose
mosaics are cut in the same way). Crop, zoom and shift then act on the mosaic as on a frame; where they would show
what is beyond its border, the frames go on as far as they reach. Flip and colours are drawn for each clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.mixtures.clips import ClipData, Targets
from stages.params.stage import Augment
from stages.training.augment import Piece, Window, Zoom, composed, draw_zoom, dressed, fit_piece

CLIPS = 4
_CENTRE = (0.3, 0.7)  # of the image's sides
_LEANS = [np.array([x, y]) / 4 for y in range(5) for x in range(5)]  # where the fullest part is looked for


def mosaic_clip(
    clips: Sequence[ClipData], size: tuple[int, int], settings: Augment, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[Targets]]:
    """Four clips of equal length, with frames of any size, as one of ``size`` (width, height).

    Identities are numbered anew, from 0, so that those of different clips differ.
    """
    zoom, centre = draw_zoom(size, settings, rng), rng.uniform(*_CENTRE, 2) * size
    quarters, leans = rng.permutation(CLIPS), rng.random((CLIPS, 2))
    pieces = [
        dressed(_piece(clip.frames[0], size, zoom, centre, int(quarter), lean), settings, rng)
        for clip, quarter, lean in zip(clips, quarters, leans, strict=True)
    ]
    return _assembled(clips, pieces, size)


def fullest_mosaic(
    clips: Sequence[ClipData], size: tuple[int, int], settings: Augment
) -> tuple[list[np.ndarray], list[Targets]]:
    """The mosaic of four clips that shows the most boxes: the least zoom, of each clip the part that holds the most."""
    least = settings.scale[0]
    zoom, centre = Zoom(np.full(2, least), (1 - least) / 2 * np.array(size)), np.array(size) / 2
    pieces = []
    for quarter, clip in enumerate(clips):
        parts = [_piece(clip.frames[0], size, zoom, centre, quarter, lean) for lean in _LEANS]
        pieces.append(max(parts, key=lambda part: sum(len(part.move(t).boxes) for t in clip.targets)))
    return _assembled(clips, pieces, size)


def _piece(
    frame: np.ndarray, size: tuple[int, int], zoom: Zoom, centre: np.ndarray, quarter: int, lean: np.ndarray
) -> Piece:
    """What is seen of a frame in a quarter (0 to 3: by rows) of a mosaic around ``centre`` that then zooms.

    ``lean`` (2,) says which part of the frame: from 0, its left and upper end, to 1.
    """
    side = np.array([quarter % 2, quarter // 2])  # 0: before the centre, 1: behind it
    low, high = np.where(side, centre, 0), np.where(side, size, centre)
    joint = zoom(centre).round().clip(1, np.array(size) - 1)
    bounds = (*np.where(side, joint, 0), *np.where(side, size, joint))
    placed = _filling(frame, max(size), low, high, lean)
    return fit_piece(frame, placed.then(zoom), Window(*map(int, bounds)))


def _filling(frame: np.ndarray, longer: int, low: np.ndarray, high: np.ndarray, lean: np.ndarray) -> Zoom:
    """A frame resized so that its longer side is ``longer``, or larger where the quarter needs it, over the quarter."""
    extent = np.array(frame.shape[1::-1])
    scale = max(longer / extent.max(), *((high - low) / extent))
    return Zoom(np.full(2, scale), low - lean * (extent * scale - (high - low)))


def _assembled(
    clips: Sequence[ClipData], pieces: Sequence[Piece], size: tuple[int, int]
) -> tuple[list[np.ndarray], list[Targets]]:
    frames = [
        composed(size, list(zip(row, pieces, strict=True))) for row in zip(*(c.frames for c in clips), strict=True)
    ]
    moved = [
        [piece.move(target) for target in targets]
        for piece, targets in zip(pieces, renumbered([clip.targets for clip in clips]), strict=True)
    ]
    return frames, [_joined(parts) for parts in zip(*moved, strict=True)]


def renumbered(clips: Sequence[list[Targets]]) -> list[list[Targets]]:
    """The targets of clips with identities numbered 0, 1, ...: equal within a clip stay equal, all others differ."""
    result, count = [], 0
    for targets in clips:
        names = np.unique(np.concatenate([target.identities for target in targets]))
        result.append([replace(t, identities=count + np.searchsorted(names, t.identities)) for t in targets])
        count += len(names)
    return result


def _joined(parts: Sequence[Targets]) -> Targets:
    return Targets(*(np.concatenate([getattr(part, name) for part in parts]) for name in Targets.__dataclass_fields__))
