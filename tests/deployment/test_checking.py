"""How far outputs are apart, by hand-made boxes and scores."""

from __future__ import annotations

import math

import pytest
import torch

from stages.deployment.checking import _by_frame, _from_module, _gap
from stages.detectors.base import Exportable
from stages.params.model import Detection

BOXES = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40], [50, 0, 60, 10]])
SCORES = torch.tensor([[0.9, 0.1], [0.01, 0.8], [0.02, 0.03]])
SWAPPED = [1, 0, 2]
LIMITS = Detection(min_score=0.05, max_objects=300)


def _difference(yields: str, given: tuple, wanted: tuple, limits: Detection = LIMITS) -> tuple[float, float]:
    return _from_module(given, wanted, Exportable(torch.nn.Identity(), yields), limits, 2)


def test_anchors_keep_their_places_and_queries_do_not():
    wanted, given = (BOXES[None], SCORES[None]), (BOXES[None, SWAPPED], SCORES[None, SWAPPED])
    assert _difference("anchors", wanted, wanted) == (0, 0)
    assert _difference("anchors", given, wanted) == pytest.approx((30, 0.89))
    assert _difference("queries", given, wanted) == (0, 0)
    assert _difference("anchors", (BOXES[None, :2], SCORES[None, :2]), wanted) == (math.inf, math.inf)


def test_a_query_too_many_counts_as_one_too_few():
    fewer, all_three = (BOXES[None, :1], SCORES[None, :1]), (BOXES[None], SCORES[None])
    box, score = _difference("queries", fewer, all_three)
    assert _difference("queries", all_three, fewer) == (box, score)
    assert box >= 20 or score >= 0.7
    # The third scores too little to be looked at.
    assert _difference("queries", (BOXES[None, :2], SCORES[None, :2]), all_three) == (0, 0)


def test_detections_are_of_one_class_each():
    scores, classes = torch.tensor([0.9, 0.8, 0.06]), torch.tensor([0, 1, 0])
    wanted = (BOXES, scores, classes)
    assert _difference("detections", (BOXES + 0.05, scores, classes), wanted) == pytest.approx((0.05, 0), abs=1e-5)
    assert _difference("detections", (BOXES, scores, 1 - classes), wanted)[0] > 1
    assert _difference("detections", (BOXES[:0], scores[:0], classes[:0]), wanted) == (math.inf, math.inf)
    # The end of a full list may be another one; and so may what is at the lowest score.
    shorter = tuple(tensor[:2] for tensor in wanted)
    assert _difference("detections", shorter, wanted)[0] > 1
    assert _difference("detections", shorter, wanted, Detection(min_score=0.05, max_objects=3)) == (0, 0)
    assert _difference("detections", shorter, wanted, Detection(min_score=0.0599)) == (0, 0)


def test_what_is_no_number_is_infinitely_far():
    [candidates] = _by_frame((BOXES[None], SCORES[None]), 2)
    row = torch.tensor([[0.0, 0, 10, math.nan, 0.9, 0]])
    assert _gap(row, candidates)[0] == math.inf
    assert _gap(row[:0], candidates) == (0, 0)
