from __future__ import annotations

import numpy as np
import pytest

from stages.errors import InputError
from stages.sequences.annotations import (
    DISTRACTOR,
    DROP,
    REGION,
    corners,
    format_gt,
    mapped,
    parse_gt,
    purposes,
    too_hidden,
)


def test_nine_columns_are_read_as_they_are_and_written_back():
    text = "1,2,3.5,-4,5,6,1,7,0.25\n2,2,1363,569,103,241,0,1,1\n"
    assert parse_gt(text, "gt.txt").tolist() == [
        [1, 2, 3.5, -4, 5, 6, 1, 7, 0.25],
        [2, 2, 1363, 569, 103, 241, 0, 1, 1],
    ]
    assert format_gt(parse_gt(text, "gt.txt")) == text


def test_mot15s_ten_columns_end_in_world_coordinates():
    assert parse_gt("1,1,88,99,61.08,218.56,1,4.4852,5.5016,0\r\n", "gt.txt").tolist() == [
        [1, 1, 88, 99, 61.08, 218.56, 1, -1, 1]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "gt.txt: holds no boxes"),
        ("\n \n", "gt.txt: holds no boxes"),
        ("1,1,2,3,4,5,1,1,1\n1,1,2,3", "gt.txt:2: 4 columns, not 9 as in the lines before"),
        ("1,1,2,3,4,5,1,1,\n", "gt.txt:1: not numbers"),
        ("1,1,2,3,4,inf,1,1,1\n", "gt.txt:1: not finite"),
    ],
)
def test_bad_text_names_the_line(text: str, message: str):
    with pytest.raises(InputError) as caught:
        parse_gt(text, "gt.txt")
    assert str(caught.value).startswith(message)


def test_purposes_follow_the_mapping():
    labels = {1: "pedestrian", 3: "car", 8: "poster", 9: "pole", 13: "crowd"}
    mapping = {"pedestrian": "person", "car": "car", "poster": "distractor", "pole": "drop", "crowd": "region"}
    gt = np.zeros((6, 9))
    gt[:, 6] = [1, 1, 0, 0, 1, 0]
    gt[:, 7] = [1, 3, 8, 9, 13, 1]
    expected = [1, 0, DISTRACTOR, DROP, REGION, DROP]  # the last: a target with confidence 0
    assert purposes(gt, labels, mapping, ("car", "person")).tolist() == expected
    remedy = "map it in params.yaml: sources.street.classes, then run `dvc repro download@street`"
    with pytest.raises(InputError) as caught, mapped("a.zip", "street"):
        purposes(gt, labels, {"pedestrian": "person"}, ("person",))
    assert str(caught.value) == f"a.zip: class 3 is mapped to nothing: {remedy}"


def test_an_unknown_visibility_is_not_hidden():
    gt = np.zeros((4, 9))
    gt[:, 8] = [-1, 0, 0.2, 0.5]
    assert too_hidden(gt, 0.0).tolist() == [False] * 4
    assert too_hidden(gt, 0.5).tolist() == [False, True, True, False]


def test_corners():
    assert corners(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[1, 2, 4, 6]]


@pytest.mark.parametrize("columns", [9, 10])
def test_whole_files_are_read_as_single_lines_are(columns: int):
    rng = np.random.default_rng(0)
    values = rng.uniform(-100, 2000, (200, columns))
    fields = [[repr(value) if rng.random() < 0.5 else str(int(value)) for value in row] for row in values.tolist()]
    whole = parse_gt("\n".join(",".join(row) for row in fields), "gt.txt")
    assert whole.shape == (200, 9) and whole.flags.c_contiguous
    expected = [[float(field) for field in row] for row in fields]
    assert whole.tolist() == [row if columns == 9 else [*row[:7], -1.0, 1.0] for row in expected]


@pytest.mark.parametrize("odd", ["1_0", " 1 ", "1e2", "+1"])
def test_what_python_reads_as_a_number_is_one(odd: str):
    assert parse_gt(f"1,1,2,3,4,5,1,1,1\n2,1,2,3,4,{odd},1,1,1\n", "gt.txt")[1, 5] == float(odd)
