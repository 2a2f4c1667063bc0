"""What is looked at: a source (every frame of every sequence) or a mixture (the frames of its training clips).

Reads data/sources/ and data/mixtures/; annotations of all sequences, no picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest
from stages.params import SPLITS, Params
from stages.sequences.annotations import (
    CLASS,
    DISTRACTOR,
    FRAME,
    HEIGHT,
    ID,
    LEFT,
    TOP,
    VISIBILITY,
    WIDTH,
    mapped,
    purposes,
    too_hidden,
)
from stages.sequences.archive import Sequence, SequenceInfo
from stages.sequences.index import SOURCES, open_sequence, read_index, read_labels

_STILL = 1  # frames of a sequence that is a single image


@dataclass(frozen=True)
class Meaning:
    """What class numbers mean: see `annotations.purposes`; targets less visible than that become distractors."""

    labels: Mapping[int, str]
    mapping: Mapping[str, str]
    classes: tuple[str, ...]
    min_visibility: float = 0.0

    def purposes(self, gt: np.ndarray) -> np.ndarray:
        """What each row of ``gt`` (N, 9) is for, (N,) int64."""
        result = purposes(gt, self.labels, self.mapping, self.classes)
        result[(result >= 0) & too_hidden(gt, self.min_visibility)] = DISTRACTOR
        return result


@dataclass(frozen=True)
class Shown:
    """One sequence's frames (numbers from 1, repeats allowed) that belong to a part of a view."""

    source: str
    info: SequenceInfo
    part: int
    frames: np.ndarray


@dataclass(frozen=True)
class Boxes:
    """Annotated boxes, one to a row, N in all; a frame that is shown twice gives its boxes twice."""

    part: np.ndarray  # int: place in `View.parts`
    frame: np.ndarray  # int: which of the view's frames, from 0
    purpose: np.ndarray  # int: see `annotations.purposes`
    native: np.ndarray  # int: the source's own class, as a place in `View.natives`
    size: np.ndarray  # square root of the area, pixels
    aspect: np.ndarray  # width / height
    centre: np.ndarray  # (N, 2): x, y as shares of the frame's width and height
    visibility: np.ndarray  # share of the object that is visible, as the source gives it
    speed: np.ndarray  # box widths a second since the track's box before; NaN for a track's first box


@dataclass(frozen=True)
class Tracks:
    """Target tracks that the frames show, one to a row."""

    part: np.ndarray
    purpose: np.ndarray  # the class of its first box
    seconds: np.ndarray  # first frame to last in the whole sequence, both included
    gaps: np.ndarray  # bool: a frame between its first and its last lacks it


@dataclass(frozen=True)
class View:
    """A source or a mixture: ``parts`` are the splits of the one, the sources of the other."""

    name: str
    kind: str  # "source" or "mixture"
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    natives: tuple[str, ...]
    meanings: Mapping[str, Meaning]  # by source
    shown: tuple[Shown, ...]
    boxes: Boxes
    tracks: Tracks
    frame_part: np.ndarray  # (frames,) int: the part of every frame
    clips: tuple[Clip, ...] = ()  # of a mixture

    def shape(self) -> float:
        """Height over width of a frame, the median over sequences."""
        return float(np.median([item.info.height / item.info.width for item in self.shown]))


def source_view(name: str, params: Params, root: Path = SOURCES) -> View:
    """All of ``data/sources/NAME``; raises `InputError` where it is absent or empty."""
    index = read_index(name, root=root)
    if index.empty:
        raise InputError(str(root / name / "index.csv"), "lists no sequence", f"run `dvc repro download@{name}`")
    meaning = Meaning(read_labels(name, root), params.sources[name].classes, params.classes)
    parts = tuple(split for split in SPLITS if (index["split"] == split).any())
    wanted = [
        (name, row.sequence, parts.index(row.split), np.arange(1, row.frames + 1))
        for row in index.itertuples(index=False)
    ]
    return _gather(name, "source", parts, {name: meaning}, wanted, root)


def mixture_view(name: str, manifest: Manifest, clips: Iterable[Clip], root: Path = SOURCES) -> View:
    """The frames of ``clips`` as training sees them: a frame of several clips counts several times."""
    clips = tuple(clips)
    parts = tuple(dict.fromkeys(clip.source for clip in clips))
    meanings = {
        source: Meaning(meaning.labels, meaning.mapping, manifest.classes, manifest.min_visibility)
        for source, meaning in manifest.sources.items()
    }
    frames: dict[tuple[str, str], list[int]] = {}
    for clip in clips:
        frames.setdefault((clip.source, clip.sequence), []).extend(clip.frames)
    wanted = [
        (source, sequence, parts.index(source), np.sort(np.array(numbers)))
        for (source, sequence), numbers in sorted(frames.items())
    ]
    return _gather(name, "mixture", parts, meanings, wanted, root, clips)


def _gather(
    name: str,
    kind: str,
    parts: tuple[str, ...],
    meanings: Mapping[str, Meaning],
    wanted: list[tuple[str, str, int, np.ndarray]],
    root: Path,
    clips: tuple[Clip, ...] = (),
) -> View:
    natives = tuple(dict.fromkeys(native for m in meanings.values() for native in m.mapping))
    classes = next(iter(meanings.values())).classes if meanings else ()
    shown, boxes, tracks, first = [], [_no_boxes()], [_no_tracks()], 0
    for source, sequence, part, frames in wanted:
        archive = open_sequence(source, sequence, root)
        found = _look(archive, source, meanings[source], natives, part, frames, first)
        archive.close()
        shown.append(Shown(source, archive.info, part, frames))
        boxes.append(found[0])
        tracks.append(found[1])
        first += len(frames)
    frame_part = np.repeat([item.part for item in shown], [len(item.frames) for item in shown]).astype(np.int64)
    columns = _joined(boxes), _joined(tracks)
    return View(name, kind, classes, parts, natives, meanings, tuple(shown), *columns, frame_part, clips)


def _look(
    archive: Sequence,
    source: str,
    meaning: Meaning,
    natives: tuple[str, ...],
    part: int,
    frames: np.ndarray,
    first: int,
) -> tuple[Boxes, Tracks]:
    """One sequence's boxes in ``frames``, which are the view's frames from ``first`` on, and their tracks."""
    gt = archive.gt()
    gt = gt[np.argsort(gt[:, FRAME], kind="stable")]
    with mapped(str(archive.path), source):
        info, purpose = archive.info, meaning.purposes(gt)
    speed = speeds(gt, purpose, info.fps)
    rows, which = rows_of(gt[:, FRAME], frames)
    places = {number: natives.index(label) for number, label in meaning.labels.items() if label in natives}
    found = gt[rows]
    boxes = Boxes(
        part=np.full(len(rows), part, np.int16),
        frame=(first + which).astype(np.int64),
        purpose=purpose[rows].astype(np.int16),
        native=_renumbered(found[:, CLASS], places),
        size=np.sqrt(found[:, WIDTH] * found[:, HEIGHT]),
        aspect=found[:, WIDTH] / found[:, HEIGHT],
        centre=(found[:, LEFT : TOP + 1] + found[:, WIDTH : HEIGHT + 1] / 2) / (info.width, info.height),
        visibility=found[:, VISIBILITY],
        speed=speed[rows],
    )
    return boxes, _tracks(gt, purpose, info, part, np.unique(gt[rows[boxes.purpose >= 0], ID]))


def _renumbered(numbers: np.ndarray, places: Mapping[int, int]) -> np.ndarray:
    known, inverse = np.unique(numbers, return_inverse=True)
    return np.array([places[int(number)] for number in known], np.int16)[inverse] if len(known) else _INT


def rows_of(sorted_frames: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ``sorted_frames`` (N,) that hold each of ``frames`` (F,): rows (M,), and for which frame (M,)."""
    starts = np.searchsorted(sorted_frames, frames, "left")
    counts = np.searchsorted(sorted_frames, frames, "right") - starts
    which = np.repeat(np.arange(len(frames)), counts)
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[which] + inside, which


def speeds(gt: np.ndarray, purpose: np.ndarray, fps: float) -> np.ndarray:
    """How fast each target's centre moved since its track's box before, in box widths a second, (N,).

    The distance in the image, the camera's own motion included, over the time between the two annotated frames and
    the mean of the two boxes' widths. NaN where a track has no box before, and for what is no target.
    """
    result = np.full(len(gt), np.nan)
    targets = np.flatnonzero(purpose >= 0)
    order = targets[np.lexsort((gt[targets, FRAME], gt[targets, ID]))]
    before, after = order[:-1], order[1:]
    same = (gt[before, ID] == gt[after, ID]) & (gt[before, FRAME] < gt[after, FRAME])
    before, after = before[same], after[same]
    centres = gt[:, LEFT : TOP + 1] + gt[:, WIDTH : HEIGHT + 1] / 2
    distance = np.hypot(*(centres[after] - centres[before]).T)
    seconds = (gt[after, FRAME] - gt[before, FRAME]) / fps
    result[after] = distance / seconds / ((gt[before, WIDTH] + gt[after, WIDTH]) / 2)
    return result


def _tracks(gt: np.ndarray, purpose: np.ndarray, info: SequenceInfo, part: int, ids: np.ndarray) -> Tracks:
    """The target tracks ``ids``; a single image has none."""
    if info.length <= _STILL or not len(ids):
        return _no_tracks()
    rows = np.flatnonzero((purpose >= 0) & np.isin(gt[:, ID], ids))
    rows = rows[np.argsort(gt[rows, ID], kind="stable")]  # by track, then by frame
    _, first, count = np.unique(gt[rows, ID], return_index=True, return_counts=True)
    span = gt[rows[first + count - 1], FRAME] - gt[rows[first], FRAME] + 1
    return Tracks(
        np.full(len(first), part, np.int16), purpose[rows[first]].astype(np.int16), span / info.fps, count < span
    )


_INT, _FLOAT = np.zeros(0, np.int16), np.zeros(0)


def _no_boxes() -> Boxes:
    whole = _INT.astype(np.int64)
    return Boxes(_INT, whole, _INT, _INT, _FLOAT, _FLOAT, np.zeros((0, 2)), _FLOAT, _FLOAT)


def _no_tracks() -> Tracks:
    return Tracks(_INT, _INT, _FLOAT, np.zeros(0, bool))


def _joined(pieces: list) -> Boxes | Tracks:
    """Pieces of one kind, put together column by column."""
    names = pieces[0].__dataclass_fields__
    return type(pieces[0])(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))
