"""What is said of mistakes: how the explained box fared, and the sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from stages.explaining.account import Asked, account_of
from stages.explaining.looking import Heat, Sight
from stages.explaining.wording import sentence
from tests.explaining_cases import account, mistake

ASKED = Asked(min_score=0.05, nms_iou=0.5)
BOX = (10.0, 10.0, 30.0, 50.0)
NEAR, BESIDE, FAR = (12.0, 10, 30, 50), (10.0, 10, 30, 26), (60.0, 10, 80, 50)  # IoU with BOX 0.9, 0.4 and 0


@dataclass
class Seen:
    """What a `Sight` tells, without a network; the heat is all in the left half of BOX."""

    boxes: np.ndarray
    scores: np.ndarray
    asked: list = field(default_factory=list)
    best_near = Sight.best_near

    def heat(self, place: int | None) -> Heat:
        self.asked.append(place)
        heat = np.zeros((60, 100), np.float32)
        heat[10:50, 10:20], heat[0, 0] = 0.75 / 400, 0.25
        return Heat(heat, "eigen" if place is None else "gradient")


def explained(kind: str, candidates: list, detections: list = (), behind: int | None = None, known: bool = True, **of):
    """The account of a mistake at BOX; candidates and detections are boxes with scores."""
    table = np.array([(*box, score) for box, score in detections]).reshape(-1, 5)
    boxes = np.array([box for box, _ in candidates]).reshape(-1, 4)
    seen = Seen(boxes, np.array([score for _, score in candidates]))
    detection = None if behind is None else table[behind]
    return account_of(mistake(kind, box=BOX, **of), seen, table, detection, ASKED, known), seen


@pytest.mark.parametrize(
    ("candidates", "detections", "behind", "fate", "place", "score"),
    [
        ([(FAR, 0.9), (NEAR, 0.03), (BOX, 0.01)], [(FAR, 0.9)], None, "unsure", 1, 0.03),
        ([(BESIDE, 0.01)], [], None, "unsure", 0, 0.01),
        ([(BESIDE, 0.8)], [(BESIDE, 0.8)], None, "aside", 0, 0.8),
        ([(NEAR, 0.4)], [((14, 10, 34, 50), 0.6)], None, "suppressed", 0, 0.4),
        ([(NEAR, 0.4)], [((14, 10, 34, 50), 0.3)], None, "cut", 0, 0.4),  # what is less sure takes no place
        ([(FAR, 0.9)], [(FAR, 0.9)], None, "nothing", None, None),
        ([], [], None, "nothing", None, None),
        ([(BOX, 0.9), (NEAR, 0.4), (NEAR, 0.2)], [(FAR, 0.9), (NEAR, 0.21)], 1, "detected", 2, 0.21),
    ],
)
def test_how_the_explained_box_fared(candidates, detections, behind, fate, place, score):
    for kind in ("miss", "false alarm"):
        told, seen = explained(kind, candidates, detections, behind)
        assert (told.fate, seen.asked, told.score) == (fate, [place], score)
        assert told.inside == pytest.approx(0.75) and told.expected == pytest.approx(800 / 6000)


def test_overlap_is_with_the_target_or_with_what_scoring_found():
    miss, _ = explained("miss", [(NEAR, 0.03)], iou=0.2, iou_with="track")
    assert (miss.overlap, miss.overlap_with) == (pytest.approx(0.9), "target")
    alarm, _ = explained("false alarm", [(NEAR, 0.03)], iou=0.2, iou_with="distractor")
    assert (alarm.overlap, alarm.overlap_with) == (0.2, "distractor")
    nothing, _ = explained("miss", [])
    assert (nothing.overlap, nothing.overlap_with, nothing.box) == (0, None, None)


def test_a_class_that_the_checkpoint_lacks():
    told, seen = explained("miss", [(NEAR, 0.9)], known=False)
    assert (told.fate, told.score, told.box, told.heat.method, seen.asked) == ("unknown", None, None, "eigen", [None])


HEAT = "12 % of the heat lies in the box, which is 4.1 % of the frame."


@pytest.mark.parametrize(
    ("of", "changes", "text"),
    [
        (
            {},
            {},
            "Missed person, 20 x 40 px, fully visible: the best candidate scored 0.03 (asked 0.05) and overlaps it by "
            f"0.62; {HEAT}",
        ),
        (
            {"visibility": 0.7, "cause": "small", "label": "car"},
            {"score": 0.0004, "overlap": 0.3},
            "Missed car, 20 x 40 px, 70 % visible, small: the nearest candidate scored below 0.001 (asked 0.05) and "
            f"overlaps it by 0.30; {HEAT}",
        ),
        (
            {"visibility": None, "cause": "border"},
            {"fate": "aside", "score": 0.8, "overlap": 0.4},
            "Missed person, 20 x 40 px, at the frame's border: the nearest candidate scored 0.80, but overlaps it by "
            f"0.40 (a match needs 0.5); {HEAT}",
        ),
        (
            {"cause": "crowded"},
            {"fate": "suppressed", "score": 0.4},
            "Missed person, 20 x 40 px, fully visible, in a crowd: a candidate scored 0.40 and overlaps it by 0.62, "
            f"but gave way to a surer box; {HEAT}",
        ),
        (
            {"cause": "gap"},
            {"fate": "cut", "score": 0.4},
            "Missed person, 20 x 40 px, fully visible, after a gap: a candidate scored 0.40 and overlaps it by 0.62, "
            f"but too many boxes were surer; {HEAT}",
        ),
        (
            {},
            {"fate": "detected", "score": 0.4},
            "Missed person, 20 x 40 px, fully visible: it was detected, scored 0.40 and overlapped by 0.62, but no "
            f"track has it; {HEAT}",
        ),
        (
            {},
            {
                "fate": "nothing",
                "score": None,
                "box": None,
                "overlap": 0.0,
                "heat": Heat(np.ones((1, 1), np.float32), "eigen"),
                "inside": 0.0004,
                "expected": 0.0,
            },
            "Missed person, 20 x 40 px, fully visible: nothing that the network weighed is near it; below 0.1 % of "
            "what stands out at all, for want of a gradient, lies in the box, which is 0.0 % of the frame.",
        ),
        (
            {},
            {"fate": "unknown"},
            f"Missed person, 20 x 40 px, fully visible: the checkpoint knows no such class; {HEAT}",
        ),
        (
            {"kind": "false alarm"},
            {"fate": "detected", "score": 0.81, "overlap": 0.0, "overlap_with": None},
            f"False alarm of person, 20 x 40 px: it scored 0.81 (asked 0.05) and overlaps no annotated box; {HEAT}",
        ),
        (
            {"kind": "false alarm", "cause": "border"},
            {"fate": "detected", "score": 0.81, "overlap": 0.49, "overlap_with": "taken target"},
            "False alarm of person, 20 x 40 px, at the frame's border: it scored 0.81 (asked 0.05) and overlaps a "
            f"target that another track has by 0.49; {HEAT}",
        ),
        (
            {"kind": "false alarm"},
            {"fate": "unsure", "score": 0.03, "overlap": 0.2, "overlap_with": "target of car"},
            "False alarm of person, 20 x 40 px: no detection is behind it, the tracker carried it on (the best "
            f"candidate there scored 0.03); it overlaps a target of car by 0.20; {HEAT}",
        ),
        (
            {"kind": "false alarm"},
            {"fate": "nothing", "score": None, "box": None, "overlap": 0.3, "overlap_with": "distractor"},
            "False alarm of person, 20 x 40 px: no detection is behind it, the tracker carried it on; it overlaps a "
            f"distractor by 0.30; {HEAT}",
        ),
    ],
)
def test_sentences(of: dict, changes: dict, text: str):
    assert sentence(account(mistake(**of), **changes), ASKED) == text


def test_tracked_ground_truth_is_said():
    text = sentence(account(mistake()), ASKED, given_boxes=True)
    assert text.startswith("Missed person, 20 x 40 px, fully visible: the tracker was given annotated boxes; the best")
