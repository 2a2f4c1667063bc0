from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import InputError
from stages.explaining.mistakes import read_mistakes
from stages.files import write_table
from stages.scoring.mistakes import COLUMNS

ROW = {
    "source": "street",
    "sequence": "a",
    "frame": 3,
    "class": "person",
    "kind": "miss",
    "cause": "small",
    "gt_id": 7,
    "left": 1.5,
    "top": 2.0,
    "width": 10.0,
    "height": 20.0,
    "visibility": 0.9,
    "crowding": 0.1,
    "iou": 0.25,
    "iou_with": "track",
}


def write(path: Path, *rows: dict) -> Path:
    """As the stage `score` writes it."""
    write_table(path, ("source", "sequence", *COLUMNS), rows)
    return path


def test_misses_and_false_alarms_of_what_scoring_writes(tmp_path: Path):
    alarm = ROW | {"kind": "false alarm", "gt_id": None, "track_id": 4, "visibility": None, "iou_with": None}
    switch = ROW | {"kind": "switch"}
    path = write(tmp_path / "mistakes.csv", ROW, switch, alarm)
    miss, false = read_mistakes(path, ["person"], "score it")
    assert (miss.kind, miss.gt_id, miss.track_id, miss.frame, miss.label) == ("miss", 7, None, 3, "person")
    assert miss.box.tolist() == [1.5, 2, 11.5, 22] and (miss.visibility, miss.iou, miss.iou_with) == (
        0.9,
        0.25,
        "track",
    )
    assert (false.kind, false.gt_id, false.track_id) == ("false alarm", None, 4)
    assert (false.visibility, false.iou_with) == (None, None)
    assert miss.subject == ("miss", "street", "a", 7) and false.subject == ("false alarm", "street", "a", 4)


def test_a_table_without_rows_holds_no_mistake(tmp_path: Path):
    assert read_mistakes(write(tmp_path / "mistakes.csv"), ["person"], "score it") == []


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"left": "x"}, ":2", "could not convert"),
        ({"width": "inf"}, ":2", "not finite"),
        ({"frame": "1.5"}, ":2", "invalid literal"),
        ({"gt_id": "seven"}, ":2", "invalid literal"),
        ({"iou": ""}, ":2", "could not convert"),
        ({"class": "boat"}, ":2", "`boat` is none of params.yaml's classes"),
    ],
)
def test_bad_rows(tmp_path: Path, change: dict, where: str, what: str):
    path = write(tmp_path / "mistakes.csv", ROW | change)
    with pytest.raises(InputError) as caught:
        read_mistakes(path, ["person"], "score it")
    assert caught.value.where == f"{path}{where}" and what in caught.value.what and caught.value.remedy == "score it"


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "no column `source`"), (b"source,sequence\na,b\n", "no column `frame`"), (b"\xff\xfe", "not a table")],
)
def test_bad_files(tmp_path: Path, content: bytes, what: str):
    path = tmp_path / "mistakes.csv"
    with pytest.raises(InputError, match="no such table of mistakes: score it"):
        read_mistakes(path, ["person"], "score it")
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        read_mistakes(path, ["person"], "score it")


def test_a_row_that_is_cut_off(tmp_path: Path):
    path = write(tmp_path / "mistakes.csv", ROW)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match=":2: no mistake"):
        read_mistakes(path, ["person"], "score it")
