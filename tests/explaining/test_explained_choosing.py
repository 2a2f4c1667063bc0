from __future__ import annotations

import numpy as np
import pytest

from stages.explaining.choosing import Found, choose, excuse, falseness
from stages.explaining.mistakes import Mistake
from tests.explaining_cases import mistake

CLASSES = ("person", "car")


def detections(*rows: tuple) -> Found:
    """Of frame, x1, y1, x2, y2, score and class."""
    return Found(np.array(rows, np.float64).reshape(-1, 7), CLASSES)


def nothing(source: str, sequence: str) -> Found:
    return detections()


def numbers(mistakes: list[Mistake]) -> list[int]:
    return [each.gt_id if each.kind == "miss" else each.track_id for each in mistakes]


def test_the_less_excuses_a_miss_the_worse_it_is():
    cases = [
        mistake(box=(0, 0, 50, 50)),
        mistake(box=(0, 0, 50, 50), visibility=0.8),
        mistake(box=(0, 0, 50, 50), visibility=0.8, crowding=0.2),
        mistake(box=(0, 0, 5, 5), visibility=None),
        mistake(cause="gap", box=(0, 0, 99, 99)),
        mistake(cause="border", box=(0, 0, 99, 99)),
        mistake(cause="crowded", box=(0, 0, 99, 99)),
        mistake(cause="small", box=(0, 0, 99, 99)),
        mistake(cause="occluded", box=(0, 0, 99, 99)),
        mistake(cause="of a later version", box=(0, 0, 99, 99)),
    ]
    excuses = [excuse(each) for each in cases]
    assert excuses == sorted(excuses) and len(set(excuses)) == len(excuses)
    assert excuses[1] == (0, pytest.approx(-40))


def test_a_false_alarm_is_the_worse_the_surer_and_the_less_is_there():
    sure = np.array([0.0, 0, 1, 1, 0.9])
    assert falseness(mistake("false alarm"), sure) == pytest.approx(0.9)
    assert falseness(mistake("false alarm", iou=0.4), sure) == pytest.approx(0.54)
    assert falseness(mistake("false alarm"), None) == 0


def test_the_detection_behind_a_box():
    found = detections(
        (2, 10, 10, 30, 50, 0.3, 0),
        (1, 10, 10, 30, 48, 0.9, 0),
        (1, 10, 10, 30, 50, 0.8, 1),  # of another class
        (1, 12, 10, 30, 50, 0.7, 0),
        (1, 10, 10, 30, 20, 0.6, 0),
    )
    alarm = mistake("false alarm")
    assert found.at(alarm).tolist() == [10, 10, 30, 48, 0.9]
    assert found.of_class(alarm)[:, 4].tolist() == [0.9, 0.7, 0.6]
    assert found.at(mistake("false alarm", frame=3)) is None
    assert found.at(mistake("false alarm", box=(10, 10, 30, 100))) is None  # 38 / 90 is too little


def test_each_target_once_and_sequences_and_classes_in_turn():
    misses = [
        mistake(number=1, frame=1, box=(0, 0, 30, 30)),
        mistake(number=1, frame=2, box=(0, 0, 90, 90)),  # the worst of all, and of target 1
        mistake(number=2, frame=2, box=(0, 0, 80, 80)),
        mistake(number=3, sequence="b", box=(0, 0, 40, 40)),
        mistake(number=4, sequence="b", box=(0, 0, 20, 20), label="car"),
        mistake(number=5, sequence="c", box=(0, 0, 10, 10)),
    ]
    taken = choose(misses, nothing, ["street"], 4)
    # Target 1; of the other sequences the car before persons; c; and when each has had one, the worst that is left.
    assert numbers(taken) == [1, 4, 5, 2]
    assert taken[0].frame == 2
    assert numbers(choose(misses, nothing, ["street"], 99)) == [1, 4, 5, 2, 3]


def test_so_many_of_each_kind_and_source_in_the_order_of_params():
    mistakes = [
        mistake(kind, number=number, source=source, sequence=source)
        for source in ("air", "street", "gone")
        for kind in ("miss", "false alarm")
        for number in (1, 2, 3)
    ]
    taken = choose(mistakes, nothing, ["street", "air", "empty"], 2)
    assert [(each.source, each.kind) for each in taken] == [
        (source, kind) for source in ("street", "air") for kind in ("miss", "false alarm") for _ in range(2)
    ]
    assert numbers(taken) == [1, 2] * 4


def test_false_alarms_go_by_the_score_behind_them():
    alarms = [mistake("false alarm", number=n, frame=n) for n in (1, 2, 3)]
    found = detections((1, 10, 10, 30, 50, 0.2, 0), (3, 10, 10, 30, 50, 0.9, 0))
    assert numbers(choose(alarms, lambda *_: found, ["street"], 3)) == [3, 1, 2]
