"""The sequences that checkpoints are scored on: the `test` split of data/sources/SOURCE/, as ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.params import Params
from stages.sequences.annotations import purposes
from stages.sequences.index import SOURCES, open_sequence, read_index, read_labels


@dataclass(frozen=True)
class HeldOut:
    """One test sequence's ground truth."""

    name: str
    length: int  # frames
    gt: np.ndarray  # (N, 9) see `annotations.parse_gt`
    purposes: np.ndarray  # (N,) see `annotations.purposes`
    where: str  # the file that the ground truth comes from


def held_out(params: Params, source: str, root: Path = SOURCES) -> Iterator[HeldOut]:
    """The test sequences of ``source``, by name; raises `InputError` for a class number that is mapped to nothing."""
    entry, labels = params.sources[source], read_labels(source, root)
    for name in read_index(source, "test", root)["sequence"]:
        sequence = open_sequence(source, name, root)
        gt, where = sequence.gt(), f"{sequence.path}: gt/gt.txt"
        sequence.close()
        try:
            roles = purposes(gt, labels, entry.classes, params.classes)
        except KeyError as error:
            what = f"class {error.args[0]} is mapped to nothing"
            raise InputError(where, what, f"map it in params.yaml: sources.{source}.classes") from None
        yield HeldOut(name, sequence.info.length, gt, roles, where)
