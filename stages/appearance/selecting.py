"""Which boxes of the ground truth become crops, and which of those are queries.

A crop is of a target, wholly inside the frame and not at its border (there it would be cut off), no smaller than
`min_size` both ways, and visible to `min_visibility`. Of an identity in a view at most `per_view` are taken, evenly
over the time that it is there.

Market-1501 never counts a find in the query's own camera. For an identity that one camera alone has seen, a camera is
therefore a time: the first half of its crops counts as one, the second half as another. That is the easier task of the
two: light, place and often pose are what they were. Scores tell how many queries ask across cameras proper.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from stages.appearance.views import View
from stages.params.reid import Reid
from stages.sequences.annotations import FRAME, HEIGHT, ID, LEFT, VISIBILITY, WIDTH, corners
from stages.sequences.archive import SequenceInfo

FIRST_HALF, SECOND_HALF = "first half", "second half"


@dataclass(frozen=True)
class Crop:
    """A box to cut out: (x1, y1, x2, y2) in whole pixels, end excluded. Two of an ``identity`` show the same one."""

    view: View
    frame: int
    identity: tuple[str, int, int]  # group, class (from 0), number in the ground truth
    camera: str
    box: tuple[int, int, int, int]


def choose(
    view: View, info: SequenceInfo, gt: np.ndarray, use: np.ndarray, reid: Reid, classes: set[int]
) -> list[Crop]:
    """The crops of one view, by identity and frame.

    ``gt`` is (N, 9) and ``use`` (N,), see `annotations.purposes`; ``classes`` are those wanted, from 0.
    """
    rows = np.flatnonzero(np.isin(use, list(classes)) & _is_whole(gt, info, reid))
    rows = rows[np.lexsort((gt[rows, FRAME], gt[rows, ID], use[rows]))]
    starts = np.flatnonzero((np.diff(gt[rows, ID]) != 0) | (np.diff(use[rows]) != 0)) + 1
    chosen = [thin(track, reid.per_view) for track in np.split(rows, starts)]
    boxes = np.round(corners(gt[:, LEFT : HEIGHT + 1])).astype(int)
    return [
        Crop(view, int(gt[row, FRAME]), (view.group, int(use[row]), int(gt[row, ID])), view.camera, tuple(boxes[row]))
        for track in chosen
        for row in track.tolist()
    ]


def _is_whole(gt: np.ndarray, info: SequenceInfo, reid: Reid) -> np.ndarray:
    x1, y1, x2, y2 = corners(gt[:, LEFT : HEIGHT + 1]).T
    inside = (x1 >= 1) & (y1 >= 1) & (x2 <= info.width - 1) & (y2 <= info.height - 1)
    # Some sources mark an unknown visibility by -1.
    visible = (gt[:, VISIBILITY] >= reid.min_visibility) | (gt[:, VISIBILITY] < 0)
    return inside & visible & (gt[:, [WIDTH, HEIGHT]].min(axis=1) >= reid.min_size)


def thin(items: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of ``items``, evenly spread, first and last among them."""
    if len(items) <= count:
        return items
    return items[np.linspace(0, len(items) - 1, count).round().astype(int)]


def repeated(crops: list[Crop]) -> list[Crop]:
    """The crops of identities that have at least two: one alone has nothing to be told the same as."""
    counts = _by_identity(crops)
    return [crop for crop in crops if len(counts[crop.identity]) > 1]


def give_cameras(crops: list[Crop]) -> list[Crop]:
    """Cameras for those that one camera alone has seen: the halves of an identity's time."""
    result = []
    for same in _by_identity(crops).values():
        alone = len({crop.camera for crop in same}) == 1
        for index, crop in enumerate(same):
            half = FIRST_HALF if index < (len(same) + 1) // 2 else SECOND_HALF
            result.append(replace(crop, camera=f"{crop.view.source} {half}") if alone else crop)
    return result


def split_queries(crops: list[Crop]) -> tuple[list[Crop], list[Crop]]:
    """Queries and gallery: of every identity in every camera the crop in the middle of its time is a query.

    Only where another camera's gallery holds the identity too; a camera's only crop of it stays in the gallery.
    """
    queries = []
    for same in _by_identity(crops).values():
        by_camera = defaultdict(list)
        for crop in same:
            by_camera[crop.camera].append(crop)
        for camera, seen in by_camera.items():
            if len(seen) > 1 and len(by_camera) > 1:
                queries.append(by_camera[camera][len(seen) // 2])
    asked = set(map(id, queries))
    return queries, [crop for crop in crops if id(crop) not in asked]


def _by_identity(crops: list[Crop]) -> dict[tuple[str, int, int], list[Crop]]:
    result = defaultdict(list)
    for crop in crops:
        result[crop.identity].append(crop)
    return result
