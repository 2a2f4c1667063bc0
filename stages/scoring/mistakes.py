"""What went wrong, box by box: misses, false alarms, identity switches and fragmentations, and what they come with.

The matching is CLEAR's at IoU 0.5, as TrackEval has it: a track that was matched to a target in the frame before stays
with it, then the sum of IoU decides. So the rows of a kind are as many as CLEAR's FN, FP, IDSW and Frag. A switch or a
fragmentation is a row of the frame in which the target is matched again; one box can be both.

A mistake has one cause, the first of these that holds; what it is measured by is a column of the row:

1. `occluded`: visibility is below 0.5. A false alarm takes that of the annotated box that it overlaps most. MOT15 and
   detectors' pictures know none: there, crowding tells instead.
2. `small`: `size`, the square root of the box's area, is below 0.03 of the frame's (43 pixels in 1920 x 1080; 15 where
   that is shrunk to a width of 640, which is two cells of a network of stride 8).
3. `crowded`: more than 0.3 of the box lies inside one annotated box (`crowding`), not counting its own, or, for a
   false alarm, the one that it overlaps most.
4. `border`: a side is closer to the frame's border than 0.01 of the frame's size, or beyond it.
5. `gap`: more than half a second has passed since the target, or the false alarm's track, was matched.
6. `other`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.scoring.adapter import Frame, class_data, scored_rows
from stages.scoring.matching import NONE, Step, steps
from stages.scoring.surroundings import crowding, iou_with, nearest, overlaps
from stages.sequences.annotations import DROP, HEIGHT, ID, LEFT, VISIBILITY
from stages.sequences.tracks import Tracks

KINDS = ("miss", "false alarm", "switch", "fragmentation")  # CLEAR's FN, FP, IDSW and Frag
CAUSES = ("occluded", "small", "crowded", "border", "gap", "other")
COLUMNS = (  # of a row; behind source and sequence
    "frame",
    "class",
    "kind",
    "cause",
    "gt_id",  # empty for a false alarm
    "track_id",  # empty for a miss
    "track_before",  # which the target was last matched to
    "left",  # pixels, the box of the target, or the false alarm's own
    "top",
    "width",
    "height",
    "size",  # pixels, square root of the area
    "visibility",  # 0 to 1, empty if not known
    "crowding",  # 0 to 1
    "border",  # pixels from the nearest border, negative beyond it
    "gap",  # frames between this one and the last in which target or track was matched; empty if never
    "iou",  # the largest with any box of the other side
    "iou_with",  # what that is; empty where nothing overlaps
)
TOTAL_COLUMNS = ("source", "class", "kind", *CAUSES, "all")

_OCCLUDED, _SMALL, _CROWDED, _BORDER, _GAP_SECONDS = 0.5, 0.03, 0.3, 0.01, 0.5
_MISS, _FALSE_ALARM, _SWITCH, _FRAGMENTATION = range(4)  # of `KINDS`

_Columns = dict[str, np.ndarray]  # by name, each as long as there are rows


@dataclass(frozen=True)
class Scene:
    """One sequence: its ground truth, its tracks and what its frames are."""

    gt: np.ndarray  # (N, 9) see `annotations.parse_gt`
    tracks: Tracks
    classes: Sequence[str]
    width: int  # pixels
    height: int
    fps: float

    @property
    def boxes(self) -> np.ndarray:
        """The boxes of the ground truth, (N, 4)."""
        return self.gt[:, LEFT : HEIGHT + 1]

    @cached_property
    def size(self) -> float:
        """The frame's size in pixels, as a box's is measured."""
        return math.sqrt(self.width * self.height)


def mistakes(frames: Sequence[Frame], scene: Scene, number: int) -> list[dict]:
    """The mistakes of class ``number`` (from 0), by frame and kind, as rows of `COLUMNS`.

    ``frames`` is what `adapter.frames_of` makes of ``scene.gt`` and ``scene.tracks``, by whatever protocol.
    """
    scored = [scored_rows(frame, number) for frame in frames]
    rows = [(frame.gt_rows[g], frame.track_rows[t]) for frame, (g, t) in zip(frames, scored, strict=True)]
    matched = list(steps(class_data(list(frames), number), rows))
    names = _Names(matched, scene, frames, number)
    blocks = (_of_targets(matched, scene, frames, names), _of_false_alarms(matched, scene, frames, names))
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    order = np.lexsort((columns["kind"], columns["frame"]))
    return _rows(scene, number, {name: values[order] for name, values in columns.items()})


def totals(rows: Iterable[Mapping]) -> list[dict]:
    """How many mistakes there are by source, class, kind and cause, as rows of `TOTAL_COLUMNS`."""
    counts: dict[tuple, Counter] = {}
    for row in rows:
        counts.setdefault((row["source"], row["class"], row["kind"]), Counter())[row["cause"]] += 1
    keys = dict.fromkeys(key[:2] for key in counts)
    return [
        dict(zip(TOTAL_COLUMNS[:3], (*key, kind), strict=True))
        | {cause: counts.get((*key, kind), Counter())[cause] for cause in CAUSES}
        | {"all": counts.get((*key, kind), Counter()).total()}
        for key in keys
        for kind in KINDS
    ]


class _Names:
    """What `iou_with` says of every row of the tracks and of the ground truth, and of no row."""

    def __init__(self, matched: Sequence[Step], scene: Scene, frames: Sequence[Frame], number: int):
        classes = scene.classes
        others = [f"track of {name}" if label != number else "dropped track" for label, name in enumerate(classes)]
        self.tracks = np.array([*(others[label] for label in scene.tracks.classes.tolist()), None], object)
        self.boxes = np.full(len(scene.gt) + 1, None, object)
        for frame, step in zip(frames, matched, strict=True):
            self.boxes[frame.gt_rows] = [_role(purpose, classes) for purpose in frame.purposes.tolist()]
            self.boxes[step.targets] = np.where(step.partners == NONE, "target", "taken target")
            self.tracks[step.tracks] = np.where(step.false, "track", "taken track")


def _role(purpose: int, classes: Sequence[str]) -> str:
    if purpose >= 0:
        return f"target of {classes[purpose]}"
    return "drop" if purpose == DROP else "distractor"


def _of_targets(matched: Sequence[Step], scene: Scene, frames: Sequence[Frame], names: _Names) -> _Columns:
    """The columns of misses, switches and fragmentations."""
    chosen = [(step.partners == NONE, step.switched, step.resumed) for step in matched]
    counts = np.array([[each.sum() for each in of] for of in chosen], np.int64).reshape(-1, 3)
    times = np.repeat(np.arange(len(matched)), counts.sum(axis=1))

    def gathered(values: Iterable[np.ndarray]) -> np.ndarray:
        picked = [each[of] for each, kinds in zip(values, chosen, strict=True) for of in kinds]
        return np.concatenate([np.zeros(0, np.int64), *picked])

    target, track = gathered(step.targets for step in matched), gathered(step.partners for step in matched)
    boxes = scene.boxes[target]
    among = overlaps(boxes, times, scene.boxes, [frame.gt_rows for frame in frames])
    across = overlaps(boxes, times, scene.tracks.boxes, [frame.track_rows for frame in frames])
    # A switch or a fragmentation is about the track that the target has now.
    near = np.where(track == NONE, nearest(across, len(boxes)), track)
    return {
        "kind": np.repeat(np.tile((_MISS, _SWITCH, _FRAGMENTATION), len(matched)), counts.ravel()),
        "frame": times + 1,
        "box": boxes,
        "gt_id": scene.gt[target, ID],
        "track_id": _ids(scene, track),
        "track_before": _ids(scene, gathered(step.before for step in matched)),
        "visibility": scene.gt[target, VISIBILITY],
        "crowding": crowding(among, target),
        "gap": gathered(step.target_gaps for step in matched),
        "iou": iou_with(across, near),
        "iou_with": np.where(track == NONE, names.tracks[near], "its track"),
    }


def _of_false_alarms(matched: Sequence[Step], scene: Scene, frames: Sequence[Frame], names: _Names) -> _Columns:
    """The columns of false alarms."""
    none = np.zeros(0, np.int64)
    times = np.repeat(np.arange(len(matched)), [step.false.sum() for step in matched])
    track = np.concatenate([none, *(step.tracks[step.false] for step in matched)])
    boxes = scene.tracks.boxes[track]
    across = overlaps(boxes, times, scene.boxes, [frame.gt_rows for frame in frames])
    near = nearest(across, len(boxes))
    nobody = np.full(len(track), np.nan)
    return {
        "kind": np.full(len(track), _FALSE_ALARM),
        "frame": times + 1,
        "box": boxes,
        "gt_id": nobody,
        "track_id": _ids(scene, track),
        "track_before": nobody,
        "visibility": np.append(scene.gt[:, VISIBILITY], np.nan)[near],
        "crowding": crowding(across, near),
        "gap": np.concatenate([none, *(step.track_gaps[step.false] for step in matched)]),
        "iou": iou_with(across, near),
        "iou_with": names.boxes[near],
    }


def _ids(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """The ids of track boxes, NaN for no row."""
    return np.append(scene.tracks.ids.astype(np.float64), np.nan)[rows]


def _rows(scene: Scene, number: int, columns: _Columns) -> list[dict]:
    """Columns to rows, with what follows from them; NaN becomes None."""
    left, top, width, height = columns.pop("box").T
    seen, gap = columns["visibility"], columns["gap"]
    columns |= {
        "left": left,
        "top": top,
        "width": width,
        "height": height,
        "size": np.sqrt(np.maximum(width, 0) * np.maximum(height, 0)),
        "border": np.min([left, top, scene.width - left - width, scene.height - top - height], axis=0),
        "visibility": np.where((seen >= 0) & (seen <= 1), seen, np.nan),
        "gap": np.where(gap == NONE, np.nan, gap),
    }
    lists = {name: values.tolist() for name, values in columns.items()}
    lists["class"] = [scene.classes[number]] * len(left)
    lists["cause"] = [CAUSES[cause] for cause in _causes(scene, columns).tolist()]
    lists["kind"] = [KINDS[kind] for kind in lists["kind"]]
    for name in ("gt_id", "track_id", "track_before", "gap"):
        lists[name] = [None if math.isnan(value) else int(value) for value in lists[name]]
    lists["visibility"] = [None if math.isnan(value) else value for value in lists["visibility"]]
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*(lists[name] for name in COLUMNS), strict=True)]


def _causes(scene: Scene, columns: _Columns) -> np.ndarray:
    """The first cause that holds for each row, as its place in `CAUSES`; what is not known (NaN) does not hold."""
    holds = (
        columns["visibility"] < _OCCLUDED,
        columns["size"] < _SMALL * scene.size,
        columns["crowding"] > _CROWDED,
        columns["border"] < _BORDER * scene.size,
        columns["gap"] > _GAP_SECONDS * scene.fps,
    )
    return np.select(holds, range(len(holds)), len(holds))
