"""Checks ground truth before anything is built on it: every complaint names the file and the place in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import Claim, Incoming
from stages.params import FileSource
from stages.sequences.annotations import (
    CLASS,
    DROP,
    FRAME,
    HEIGHT,
    ID,
    LEFT,
    REGION,
    TOP,
    WIDTH,
    purposes,
)


@dataclass(frozen=True)
class Meaning:
    """What a source's class numbers mean: its name, its params, its classes' names, and the pipeline's classes."""

    name: str
    source: FileSource
    labels: Mapping[int, str]
    classes: tuple[str, ...]

    def purposes(self, gt: np.ndarray) -> np.ndarray:
        """What each row is for, see `annotations.purposes`."""
        return purposes(gt, self.labels, self.source.classes, self.classes)


def checked_gt(incoming: Incoming, meaning: Meaning, size: tuple[int, int]) -> np.ndarray:
    """The (N, 9) rows of the frames that are there, checked against frames of ``size`` (width, height) pixels.

    Boxes that reach over the frame's edge stay as they are: MOTChallenge annotates whole objects. Rows that count as
    not annotated may lie outside and may share an id. What the annotations have wrong about the frames is said on
    stderr. Raises `InputError`.
    """
    gt, length = incoming.gt, incoming.frames.count
    rows = _Rows(incoming.at, np.arange(len(gt)))
    _check_numbers(gt, rows)
    there = gt[:, FRAME] <= length
    gt, rows = gt[there], rows.only(there)
    if not len(gt):
        raise InputError(incoming.gt_file, f"holds no boxes in frames 1 to {length}", "fetch the sequence again")
    _check_classes(gt, rows, meaning)
    use = meaning.purposes(gt)
    _check_places(gt, rows, use, size)
    _check_identities(gt, rows, use)
    _warn_of_lies(incoming, size, int((~there).sum()))
    return gt


@dataclass(frozen=True)
class _Rows:
    """The places of rows, for the complaint about the first bad one."""

    where: Callable[[int], str]
    numbers: np.ndarray

    def only(self, rows: np.ndarray) -> _Rows:
        """The same for a choice of rows."""
        return _Rows(self.where, self.numbers[rows])

    def at(self, row: int) -> str:
        return self.where(int(self.numbers[row]))

    def refuse(self, bad: np.ndarray, what: str, remedy: str) -> None:
        """Raise for the first row that is ``bad``, if any is."""
        if bad.any():
            raise InputError(self.at(int(np.argmax(bad))), what, remedy)


def _check_numbers(gt: np.ndarray, rows: _Rows) -> None:
    whole = gt[:, [FRAME, ID, CLASS]]
    rows.refuse((whole % 1 != 0).any(axis=1), "frame, id and class must be whole numbers", "correct it")
    rows.refuse(gt[:, FRAME] < 1, "frames count from 1", "correct it")
    no_size = (gt[:, WIDTH] <= 0) | (gt[:, HEIGHT] <= 0)
    rows.refuse(no_size, "the box has no width or no height", "correct or delete it")


def _check_classes(gt: np.ndarray, rows: _Rows, meaning: Meaning) -> None:
    key, labels = f"sources.{meaning.name}", meaning.labels
    for number in np.unique(gt[:, CLASS]).astype(int):
        row = int(np.argmax(gt[:, CLASS] == number))
        if number not in labels:
            remedy = f"add `{number}: NAME` to {key}.labels in params.yaml, and map NAME in {key}.classes"
            raise InputError(rows.at(row), f"class {number} has no name", remedy)
        if labels[number] not in meaning.source.classes:
            remedy = f"add `{labels[number]}: drop` (or a class, or a role) to {key}.classes in params.yaml"
            raise InputError(rows.at(row), f"class {number} ({labels[number]}) is mapped to nothing", remedy)


def _check_places(gt: np.ndarray, rows: _Rows, use: np.ndarray, size: tuple[int, int]) -> None:
    left, top, right, bottom = gt[:, LEFT], gt[:, TOP], gt[:, LEFT] + gt[:, WIDTH], gt[:, TOP] + gt[:, HEIGHT]
    outside = (right <= 0) | (bottom <= 0) | (left >= size[0]) | (top >= size[1])
    what = f"the box lies outside the frame ({size[0]}x{size[1]})"
    rows.refuse(outside & (use != DROP), what, "correct the box, delete it, or set its confidence to 0")


def _check_identities(gt: np.ndarray, rows: _Rows, use: np.ndarray) -> None:
    first_seen: dict[tuple[float, float], int] = {}
    for row in np.flatnonzero((use != DROP) & (use != REGION)):
        frame, identity = gt[row, FRAME], gt[row, ID]
        before = first_seen.setdefault((frame, identity), row)
        if before != row:
            other = rows.at(before).rsplit("/", 1)[-1]
            what = f"id {identity:g} stands twice in frame {frame:g} (also at {other})"
            raise InputError(rows.at(row), what, "delete one of the two, or correct its id")


def _warn_of_lies(incoming: Incoming, size: tuple[int, int], beyond: int) -> None:
    """Say on stderr what the annotations have wrong, and how many rows went with it."""
    facts = {"count": incoming.frames.count, "width": size[0], "height": size[1]}
    wrong = [claim for claim in incoming.claims if _lies(claim, facts)]
    lies = [f"{claim.key} is {claim.value}, found {facts[claim.fact]}" for claim in wrong]
    if beyond:
        lies.append(f"{beyond} boxes behind the last frame dropped")
    if lies:
        where = incoming.claims[0].where if incoming.claims else incoming.gt_file
        print(f"warning: {where}: {'; '.join(lies)}", file=sys.stderr)


def _lies(claim: Claim, facts: dict[str, int]) -> bool:
    try:
        return float(claim.value) != facts[claim.fact]
    except ValueError:
        return True
