"""Checks ground truth before anything is built on it: every complaint names the file and the place in it.

The rules stand once, in `find_faults`: `checked_gt` refuses the first fault, `stages.inspect` lists them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import Claim, Incoming
from stages.params import FileSource, WorldSource, where
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
    source: FileSource | WorldSource
    labels: Mapping[int, str]
    classes: tuple[str, ...]

    def purposes(self, gt: np.ndarray) -> np.ndarray:
        """What each row is for, see `annotations.purposes`."""
        return purposes(gt, self.labels, self.source.classes, self.classes)

    def unknown_classes(self) -> Iterator[InputError]:
        """The classes that params.yaml maps and the data does not have."""
        names = dict.fromkeys(self.labels.values())
        for native in self.source.classes:
            if native not in names:
                place = where("sources", self.name, "classes", native)
                yield InputError(place, f"the source has no class `{native}`", f"its classes are {', '.join(names)}")


def checked_gt(incoming: Incoming, meaning: Meaning, size: tuple[int, int]) -> np.ndarray:
    """The (N, 9) rows of the frames that are there, checked against frames of ``size`` (width, height) pixels.

    Boxes that reach over the frame's edge stay as they are: MOTChallenge annotates whole objects. Rows that count as
    not annotated may lie outside and may share an id. What the annotations have wrong about the frames is said on
    stderr. Raises `InputError`.
    """
    gt = in_pixels(incoming, size)
    fault = next(find_faults(incoming, gt, meaning, size), None)
    if fault:
        raise fault.errors(incoming)[0]
    wrong = find_lies(incoming, size)
    if wrong:
        print(f"warning: {wrong[0]}: {'; '.join(wrong[1:])}", file=sys.stderr)
    return gt[gt[:, FRAME] <= incoming.frames.count]


def in_pixels(incoming: Incoming, size: tuple[int, int]) -> np.ndarray:
    """The rows, (N, 9), with boxes in pixels."""
    gt = incoming.gt.copy()
    if incoming.normalised:
        gt[:, LEFT : HEIGHT + 1] *= (*size, *size)
    return gt


@dataclass(frozen=True)
class Fault:
    """One rule that rows break: their places in `Incoming.gt`, what is wrong with one of them, and the remedy.

    ``kind`` is `malformed`, `empty`, `classes`, `no area`, `outside` or `twice`. Without ``rows`` the fault is the
    file's.
    """

    kind: str
    rows: np.ndarray
    what: Callable[[int], str]
    remedy: str

    def errors(self, incoming: Incoming, most: int = 1) -> list[InputError]:
        """The first ``most`` of them, in the order of the file."""
        if not len(self.rows):
            return [InputError(incoming.gt_file, self.what(0), self.remedy)]
        return [InputError(incoming.at(int(row)), self.what(int(row)), self.remedy) for row in self.rows[:most]]


def find_faults(incoming: Incoming, gt: np.ndarray, meaning: Meaning, size: tuple[int, int]) -> Iterator[Fault]:
    """All that is wrong with the rows ``gt`` (N, 9; boxes in pixels) of the frames that are there.

    Rules come in an order: a row that breaks one is left out of those that follow, which build on it.
    """
    length, good = incoming.frames.count, np.ones(len(gt), bool)
    for kind, bad, what, remedy in _number_rules(gt):
        yield from _broken(kind, bad & good, what, remedy)
        good &= ~bad
    there = gt[:, FRAME] <= length
    if not there.any() and length > 1 and incoming.annotated:
        yield Fault("empty", _NONE, lambda _: f"holds no boxes in frames 1 to {length}", "fetch the sequence again")
    good &= there
    for number in np.unique(gt[good, CLASS]).astype(int):
        unknown = _class_rule(number, meaning)
        if unknown:
            bad = good & (gt[:, CLASS] == number)
            yield from _broken("classes", bad, *unknown)
            good &= ~bad
    use = np.full(len(gt), DROP)
    use[good] = meaning.purposes(gt[good])
    what = f"the box lies outside the frame ({size[0]}x{size[1]})"
    remedy = "correct the box, delete it, or set its confidence to 0"
    yield from _broken("outside", _outside(gt, size) & (use != DROP), what, remedy)
    yield from _twice(incoming, gt, (use != DROP) & (use != REGION))


_NONE = np.zeros(0, np.int64)


def _broken(kind: str, bad: np.ndarray, what: str, remedy: str) -> Iterator[Fault]:
    """A fault for the rows that are ``bad``, (N,) bool, if any is."""
    if bad.any():
        yield Fault(kind, np.flatnonzero(bad), lambda _: what, remedy)


def _number_rules(gt: np.ndarray) -> Iterator[tuple[str, np.ndarray, str, str]]:
    whole = gt[:, [FRAME, ID, CLASS]]
    yield "malformed", (whole % 1 != 0).any(axis=1), "frame, id and class must be whole numbers", "correct it"
    yield "malformed", gt[:, FRAME] < 1, "frames count from 1", "correct it"
    no_size = (gt[:, WIDTH] <= 0) | (gt[:, HEIGHT] <= 0)
    yield "no area", no_size, "the box has no width or no height", "correct or delete it"


def _class_rule(number: int, meaning: Meaning) -> tuple[str, str] | None:
    """What is wrong with a class number, and the remedy."""
    key, labels = f"sources.{meaning.name}", meaning.labels
    if number not in labels:
        remedy = f"add `{number}: NAME` to {key}.labels in params.yaml, and map NAME in {key}.classes"
        return f"class {number} has no name", remedy
    if labels[number] not in meaning.source.classes:
        remedy = f"add `{labels[number]}: drop` (or a class, or a role) to {key}.classes in params.yaml"
        return f"class {number} ({labels[number]}) is mapped to nothing", remedy
    return None


def _outside(gt: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    left, top, right, bottom = gt[:, LEFT], gt[:, TOP], gt[:, LEFT] + gt[:, WIDTH], gt[:, TOP] + gt[:, HEIGHT]
    return (right <= 0) | (bottom <= 0) | (left >= size[0]) | (top >= size[1])


def _twice(incoming: Incoming, gt: np.ndarray, counted: np.ndarray) -> Iterator[Fault]:
    """Rows of those ``counted``, (N,) bool, whose id stands in the same frame before."""
    rows = np.flatnonzero(counted)
    rows = rows[np.lexsort((gt[rows, ID], gt[rows, FRAME]))]  # the file's order among equals
    same = np.zeros(len(rows), bool)
    same[1:] = (gt[rows[1:], FRAME] == gt[rows[:-1], FRAME]) & (gt[rows[1:], ID] == gt[rows[:-1], ID])
    if same.any():
        first = rows[np.maximum.accumulate(np.where(same, 0, np.arange(len(rows))))]
        before = dict(zip(rows[same].tolist(), first[same].tolist(), strict=True))

        def what(row: int) -> str:
            other = incoming.at(before[row]).rsplit("/", 1)[-1]
            return f"id {gt[row, ID]:g} stands twice in frame {gt[row, FRAME]:g} (also at {other})"

        yield Fault("twice", np.sort(rows[same]), what, "delete one of the two, or correct its id")


def find_lies(incoming: Incoming, size: tuple[int, int]) -> list[str]:
    """Where, and what, the annotations have wrong about the frames; empty if nothing.

    Frames are believed, and rows behind the last of them do not count.
    """
    facts = {"count": incoming.frames.count, "width": size[0], "height": size[1]}
    wrong = [claim for claim in incoming.claims if _lies(claim, facts)]
    lies = [f"{claim.key} is {claim.value}, found {facts[claim.fact]}" for claim in wrong]
    beyond = int((incoming.gt[:, FRAME] > facts["count"]).sum())
    if beyond:
        lies.append(f"{beyond} boxes behind the last frame dropped")
    place = incoming.claims[0].where if incoming.claims else incoming.gt_file
    return [place, *lies] if lies else []


def _lies(claim: Claim, facts: dict[str, int]) -> bool:
    try:
        return float(claim.value) != facts[claim.fact]
    except ValueError:
        return True
