"""The diagnosis of a frame: every kind has its colour, its line and its label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from stages.drawing import diagnosis as dia
from stages.drawing.diagnosis import BLUE, GREEN, GREY, ORANGE, RED, Diagnosis
from stages.drawing.strokes import draw_dashed
from stages.scoring.verdicts import KINDS, Verdict

GROUND = np.full((600, 800, 3), 90, np.uint8)
BOX = (300.0, 250.0, 400.0, 400.0)


class Words(NamedTuple):
    """What was written."""

    drawn: np.ndarray
    labels: list[str]


@pytest.fixture
def shown(monkeypatch):
    """Draws verdicts on consecutive frames, 10 a second; gives the last frame and its labels."""
    labels: list[str] = []
    label = dia.draw_label
    monkeypatch.setattr(dia, "draw_label", lambda image, text, *rest: labels.append(text) or label(image, text, *rest))

    def draw(*frames: list[Verdict]) -> Words:
        diagnosis = Diagnosis((800, 600), 10.0)
        for number, verdicts in enumerate(frames, 1):
            labels.clear()
            image = diagnosis.draw(GROUND, number, verdicts, "", (None, 0))
        return Words(image, list(labels))

    return draw


def verdict(kind: str, box=BOX, track=5, before=None) -> Verdict:
    return Verdict(kind, box, 0, 1, track, before)


def width(image: np.ndarray, colour: tuple[int, int, int], row: int = 330) -> int:
    """How many pixels of ``colour`` the left side has in a row."""
    return int((image[row, 280:320] == colour).all(axis=1).sum())


@pytest.mark.parametrize(
    ("kind", "colour", "pixels"),
    [("matched", GREEN, 1), ("false alarm", RED, 3), ("switch", ORANGE, 5), ("dropped", GREY, 1)],
)
def test_solid_lines_differ_in_width(shown, kind, colour, pixels):
    image = shown([verdict(kind, before=3)]).drawn
    assert {width(image, colour, row) for row in (300, 330, 390)} == {pixels}
    assert (image[260:390, 310:390] == GROUND[0, 0]).all()  # nothing inside


def test_a_miss_is_dashed(shown):
    image = shown([verdict("miss", track=None)]).drawn
    side = (image[250:400, 300] == BLUE).all(axis=1)
    assert 0.5 < side.mean() < 0.7
    assert np.flatnonzero(np.diff(side.astype(int))).size > 20  # begins and ends
    top = (image[250, 300:400] == BLUE).all(axis=1)
    assert 0.5 < top.mean() < 0.7


@pytest.mark.parametrize("kind", ["region", "distractor"])
def test_what_is_not_scored_is_hatched(shown, kind):
    image = shown([verdict(kind, track=None)]).drawn
    inside = (image[255:395, 305:395] != GROUND[0, 0]).any(axis=2)
    assert 0.1 < inside.mean() < 0.5
    assert inside.any(axis=0).mean() > 0.9  # from side to side


def test_labels(shown):
    boxes = [
        verdict("matched"),
        verdict("false alarm", (10, 200, 60, 300), 12),
        verdict("miss", (500, 99, 550, 200), None),
    ]
    assert shown([*boxes, verdict("switch", (600, 200, 650, 300), 17, 9)]).labels == ["9 > 17", "false 12"]


def test_a_switch_can_be_read_for_a_second(shown):
    frames = [[verdict("switch", before=3)], *[[verdict("matched")]] * 10]
    assert shown(*frames[:1]).labels == shown(*frames[:10]).labels == ["3 > 5"]
    assert width(shown(*frames[:10]).drawn, ORANGE) == 2
    over = shown(*frames)
    assert (over.labels, width(over.drawn, GREEN)) == ([], 1)
    other = [[verdict("switch", before=3)], [verdict("matched", track=6)]]
    assert shown(*other).labels == []


def test_every_kind_of_verdict_has_a_style():
    assert set(dia._STYLES) == set(KINDS)


@pytest.mark.parametrize(
    ("scores", "text"), [((0.61234, 3), "HOTA 0.612   IDSW 3"), ((None, 0), "HOTA   -     IDSW 0")]
)
def test_running_scores_in_a_corner(monkeypatch, scores, text):
    texts, plate = [], dia.plate
    monkeypatch.setattr(dia, "plate", lambda words, unit: texts.append(words) or plate(words, unit))
    image = Diagnosis((800, 600), 10.0).draw(GROUND, 1, [], "town/one", scores)
    assert texts == [text, "town/one"]
    corner = image[:25, -150:]
    assert corner.max() == 255
    assert corner.min() < 40
    assert (image[30:560] == GROUND[30:560]).all()


def test_the_legend_is_left_out_where_there_is_no_room():
    image = Diagnosis((200, 300), 10.0).draw(GROUND[:300, :200], 1, [], "", (0.5, 0))
    assert (image[:20, :100] == GROUND[:20, :100]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "box", [(-1e12, -1e12, 1e12, 1e12), (5, 5, 5, 5), (9, 9, 3, 3), (-90, -90, -80, -80), (799, 599, 805, 605)]
)
def test_odd_boxes_are_drawn_or_not_seen(shown, kind, box):
    assert shown([verdict(kind, box, before=3)]).drawn.shape == GROUND.shape


def test_dashes_at_the_border():
    image = np.zeros((40, 60, 3), np.uint8)
    draw_dashed(image, (-10, -10, 30, 20), (255, 255, 255), 2)
    assert not image[:19, :29].any()
    assert image[19:21, :30].any()
    assert image[:20, 29:31].any()
