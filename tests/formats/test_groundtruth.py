"""All faults of a sequence at once: each rule finds its own rows, and those only."""

from __future__ import annotations

import numpy as np
import pytest

from stages.errors import InputError
from stages.formats.groundtruth import Meaning, checked_gt, find_faults, find_lies
from stages.formats.incoming import Claim, Incoming
from stages.inspecting.examine import Rendered
from stages.params import MotChallengeSource
from tests.footage import CLASSES, picture

SIZE = (64, 48)
GOOD = "1,1,5,10,8,16,1,1,1"
ROWS = {  # of frames 1 to 3
    "1.5,1,5,10,8,16,1,1,1": "malformed",
    "0,1,5,10,8,16,1,1,1": "malformed",
    "1,2,5,10,0,16,1,1,1": "no area",
    "1,3,5,10,8,16,1,77,1": "classes",
    "1,4,5,10,8,16,1,7,1": "classes",
    "1,5,64,10,8,16,1,1,1": "outside",
    "1,1,9,10,8,16,1,1,1": "twice",
}


def incoming(*lines: str, claims: tuple[Claim, ...] = ()) -> Incoming:
    gt = np.array([line.split(",") for line in lines], dtype=float).reshape(-1, 9)
    frames = Rendered([picture(n) for n in (1, 2, 3)], SIZE)
    return Incoming("walk", 10, frames, gt, lambda row: f"walk/gt.txt:{row + 1}", "walk/gt.txt", claims)


def meaning() -> Meaning:
    source = MotChallengeSource.model_validate(
        {"format": "motchallenge", "path": "in", "classes": CLASSES}, strict=False
    )
    return Meaning("footage", source, source.labels, ("person", "car"))


def faults(found: Incoming) -> list[tuple[str, list[int]]]:
    return [(fault.kind, fault.rows.tolist()) for fault in find_faults(found, found.gt, meaning(), SIZE)]


@pytest.mark.parametrize(("line", "kind"), ROWS.items())
def test_each_fault_alone_is_found_and_refused(line: str, kind: str):
    found = incoming(GOOD, line)
    assert faults(found) == [(kind, [1])]
    with pytest.raises(InputError, match=r"^walk/gt\.txt:2: "):
        checked_gt(found, meaning(), SIZE)


def test_all_of_them_at_once_in_the_order_of_the_rules():
    found = incoming(GOOD, *ROWS, *ROWS)
    assert faults(found) == [
        ("malformed", [1, 8]),
        ("malformed", [2, 9]),
        ("no area", [3, 10]),
        ("classes", [5, 12]),
        ("classes", [4, 11]),
        ("outside", [6, 13]),
        ("twice", [7, 13, 14]),
    ]
    every = list(find_faults(found, found.gt, meaning(), SIZE))
    assert [str(error) for error in every[-1].errors(found, 2)] == [
        "walk/gt.txt:8: id 1 stands twice in frame 1 (also at gt.txt:1): delete one of the two, or correct its id",
        "walk/gt.txt:14: id 5 stands twice in frame 1 (also at gt.txt:7): delete one of the two, or correct its id",
    ]
    with pytest.raises(InputError, match=r"^walk/gt\.txt:2: frame, id and class must be whole numbers"):
        checked_gt(found, meaning(), SIZE)


def test_rows_behind_the_end_count_as_lies_only():
    found = incoming(GOOD, "9,5,99,99,8,16,1,77,1", claims=(Claim("walk/seqinfo.ini", "seqLength", "9", "count"),))
    assert faults(found) == []
    assert find_lies(found, SIZE) == [
        "walk/seqinfo.ini",
        "seqLength is 9, found 3",
        "1 boxes behind the last frame dropped",
    ]
    assert len(checked_gt(found, meaning(), SIZE)) == 1


def test_nothing_in_the_frames_that_are_there():
    assert faults(incoming("9,1,5,10,8,16,1,1,1")) == [("empty", [])]


def test_a_clean_file():
    assert faults(incoming(GOOD, "1,2,-5,10,8,16,1,3,1", "2,1,5,10,8,16,1,1,1")) == []
    assert find_lies(incoming(GOOD), SIZE) == []
