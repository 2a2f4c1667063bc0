"""The sequences that checkpoints are scored on: the `test` split of data/sources/SOURCE/, as ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.params import Params
from stages.params.scoring import Protocol
from stages.scoring.protocols import Rules, roles, rules_of
from stages.sequences.annotations import mapped
from stages.sequences.index import SOURCES, open_sequence, read_labels, test_names_of


@dataclass(frozen=True)
class HeldOut:
    """One test sequence's ground truth."""

    name: str
    length: int  # frames
    fps: float  # frames a second
    size: tuple[int, int]  # of a frame: width and height, pixels
    gt: np.ndarray  # (N, 9) see `annotations.parse_gt`
    roles: np.ndarray  # (N,) what each row is for by the source's protocol, see `protocols.roles`
    rules: Rules  # of the source's protocol
    where: str  # the file that the ground truth comes from

    @property
    def annotated(self) -> bool:
        """Whether there is ground truth; a still image may have it and hold no box, a sequence not."""
        return len(self.gt) > 0 or self.length == 1


def held_out(params: Params, source: str, root: Path = SOURCES) -> Iterator[HeldOut]:
    """The test sequences of ``source``, by name; errors as `load` has them."""
    for name in test_names_of(source, root):
        yield load(params, source, name, root)


def load(params: Params, source: str, name: str, root: Path = SOURCES) -> HeldOut:
    """One sequence's ground truth; raises `InputError` for a class number that is mapped to nothing."""
    mapping, labels = params.sources[source].classes, read_labels(source, root)
    rules = protocol_of(params, source)
    sequence = open_sequence(source, name, root)
    info, gt, where = sequence.info, sequence.gt(), f"{sequence.path}: gt/gt.txt"
    sequence.close()
    with mapped(where, source):
        by_protocol = roles(gt, labels, mapping, params.classes, rules)
    return HeldOut(name, info.length, info.fps, (info.width, info.height), gt, by_protocol, rules, where)


def protocol_of(params: Params, source: str) -> Rules:
    """The rules that ``source`` is scored by."""
    return rules_of(params.protocols.get(source, Protocol()))
