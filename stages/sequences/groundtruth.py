"""Checks a source's gt.txt before anything is built on it: every complaint names the file and the line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.errors import InputError
from stages.params import MotChallengeSource
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
    parse_gt,
    purposes,
)


@dataclass(frozen=True)
class Meaning:
    """What a source's class numbers mean: the source's name and params, and the pipeline's classes."""

    name: str
    source: MotChallengeSource
    classes: tuple[str, ...]

    def purposes(self, gt: np.ndarray) -> np.ndarray:
        """What each row is for, see `annotations.purposes`."""
        return purposes(gt, self.source.labels, self.source.classes, self.classes)


def read_gt(text: str, where: str, meaning: Meaning, size: tuple[int, int], length: int) -> tuple[np.ndarray, int]:
    """Parse and check gt.txt of a sequence of ``length`` frames of ``size`` (width, height) pixels.

    Returns the (N, 9) rows of the frames that are there, and how many rows lie behind the last one. Boxes that
    reach over the frame's edge stay as they are: MOTChallenge annotates whole objects. Rows that count as not
    annotated may lie outside and may share an id. Raises `InputError`.
    """
    gt = parse_gt(text, where)
    lines = _Lines(where, text)
    _check_columns(lines)
    _check_numbers(gt, lines)
    there = gt[:, FRAME] <= length
    gt, lines = gt[there], lines.only(there)
    if not len(gt):
        raise InputError(where, f"holds no boxes in frames 1 to {length}", "fetch the sequence again")
    _check_classes(gt, lines, meaning)
    use = meaning.purposes(gt)
    _check_places(gt, lines, use, size)
    _check_identities(gt, lines, use)
    return gt, int((~there).sum())


class _Lines:
    """Rows' line numbers in gt.txt, and the complaint about the first bad row."""

    def __init__(self, where: str, text: str):
        self.where = where
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        self.numbers = np.array([number for number, _ in numbered])
        self.columns = np.array([line.count(",") + 1 for _, line in numbered])

    def only(self, rows: np.ndarray) -> _Lines:
        """The same for a choice of rows."""
        chosen = object.__new__(_Lines)
        chosen.where, chosen.numbers, chosen.columns = self.where, self.numbers[rows], self.columns[rows]
        return chosen

    def at(self, row: int) -> str:
        return f"{self.where}:{self.numbers[row]}"

    def refuse(self, bad: np.ndarray, what: str, remedy: str) -> None:
        """Raise for the first row that is ``bad``, if any is."""
        if bad.any():
            raise InputError(self.at(int(np.argmax(bad))), what, remedy)


def _check_columns(lines: _Lines) -> None:
    first = lines.columns[0]
    what = f"not {first} columns as in the lines before"
    lines.refuse(lines.columns != first, what, "fetch the file again: it may be half-written")


def _check_numbers(gt: np.ndarray, lines: _Lines) -> None:
    whole = gt[:, [FRAME, ID, CLASS]]
    lines.refuse((whole % 1 != 0).any(axis=1), "frame, id and class must be whole numbers", "correct the line")
    lines.refuse(gt[:, FRAME] < 1, "frames count from 1", "correct the line")
    no_size = (gt[:, WIDTH] <= 0) | (gt[:, HEIGHT] <= 0)
    lines.refuse(no_size, "the box has no width or no height", "correct or delete the line")


def _check_classes(gt: np.ndarray, lines: _Lines, meaning: Meaning) -> None:
    key, labels = f"sources.{meaning.name}", meaning.source.labels
    for number in np.unique(gt[:, CLASS]).astype(int):
        row = int(np.argmax(gt[:, CLASS] == number))
        if number not in labels:
            remedy = f"add `{number}: NAME` to {key}.labels in params.yaml, and map NAME in {key}.classes"
            raise InputError(lines.at(row), f"class {number} has no name", remedy)
        if labels[number] not in meaning.source.classes:
            remedy = f"add `{labels[number]}: drop` (or a class, or a role) to {key}.classes in params.yaml"
            raise InputError(lines.at(row), f"class {number} ({labels[number]}) is mapped to nothing", remedy)


def _check_places(gt: np.ndarray, lines: _Lines, use: np.ndarray, size: tuple[int, int]) -> None:
    left, top, right, bottom = gt[:, LEFT], gt[:, TOP], gt[:, LEFT] + gt[:, WIDTH], gt[:, TOP] + gt[:, HEIGHT]
    outside = (right <= 0) | (bottom <= 0) | (left >= size[0]) | (top >= size[1])
    what = f"the box lies outside the frame ({size[0]}x{size[1]})"
    lines.refuse(outside & (use != DROP), what, "correct the line, delete it, or set its confidence to 0")


def _check_identities(gt: np.ndarray, lines: _Lines, use: np.ndarray) -> None:
    first_seen: dict[tuple[float, float], int] = {}
    for row in np.flatnonzero((use != DROP) & (use != REGION)):
        frame, identity = gt[row, FRAME], gt[row, ID]
        before = first_seen.setdefault((frame, identity), row)
        if before != row:
            what = f"id {identity:g} stands twice in frame {frame:g} (also on line {lines.numbers[before]})"
            raise InputError(lines.at(row), what, "delete one of the two, or correct its id")
