"""The boxes that are tracked: stored detections, or the ground truth's targets as if a detector had found them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.params import Params
from stages.sequences.annotations import FRAME, HEIGHT, LEFT, corners, mapped, purposes
from stages.sequences.archive import Sequence
from stages.sequences.detections import read_detections
from stages.sequences.index import SOURCES, read_labels


def read_boxes(params: Params, detections: Path, source: str, sequence: Sequence) -> np.ndarray:
    """What `evaluation.boxes` says is tracked in ``sequence``, as (N, 7): see `read_detections`.

    ``detections`` is the checkpoint's folder of detections. Raises `InputError`.
    """
    if params.evaluation.boxes == "ground_truth":
        return target_boxes(params, source, sequence)
    path = detections / source / f"{sequence.path.stem}.parquet"
    return read_detections(path, sequence.info.length, len(params.classes))


def target_boxes(params: Params, source: str, sequence: Sequence, root: Path = SOURCES) -> np.ndarray:
    """The ground truth's targets as detections with score 1, (N, 7).

    Within a frame they are sorted by class and place, so that their order tells nothing of who is who. Raises
    `InputError` for a sequence without ground truth (a still image may hold no box), and for an unmapped class.
    """
    gt = sequence.gt()
    if not len(gt) and sequence.info.length > 1:
        remedy = "set evaluation.boxes: detections, or take the sequence out of the test split"
        raise InputError(str(sequence.path), "it has no ground truth, whose boxes are to be tracked", remedy)
    with mapped(str(sequence.path), source):
        use = purposes(gt, read_labels(source, root), params.sources[source].classes, params.classes)
    targets = use >= 0
    boxes = corners(gt[targets, LEFT : HEIGHT + 1])
    table = np.column_stack([gt[targets, FRAME], boxes, np.ones(len(boxes)), use[targets]])
    return table[np.lexsort((*table[:, 4:0:-1].T, table[:, 6], table[:, 0]))]
