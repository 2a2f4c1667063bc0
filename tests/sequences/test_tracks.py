from __future__ import annotations

import numpy as np
import pytest

from stages.errors import InputError
from stages.sequences.tracks import format_tracks, read_tracks

GOOD = "1,7,10.5,20,30,40,0.9,1,-1\n"


def write(folder, text):
    path = folder / "name.txt"
    path.write_text(text)
    return path


def test_reads_columns(tmp_path):
    tracks = read_tracks(write(tmp_path, GOOD + "\n3,8,1,2,3,4,0.5,2,-1\n"), length=3, classes=2)
    assert tracks.frames.tolist() == [1, 3]
    assert tracks.ids.tolist() == [7, 8]
    assert tracks.classes.tolist() == [0, 1]
    assert np.array_equal(tracks.boxes, [[10.5, 20, 30, 40], [1, 2, 3, 4]])


def test_an_empty_file_holds_no_track(tmp_path):
    tracks = read_tracks(write(tmp_path, ""), length=3, classes=2)
    assert tracks.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1,7,10,20", "4 columns, not 9"),
        ("1,7,10,20,30,40,0.9,1,-1,-1", "10 columns, not 9"),
        ("1,8,10,20,thirty,40,0.9,1,-1", "not numbers"),
        ("1,8,10,20,nan,40,0.9,1,-1", "not finite"),
        ("1,8.5,10,20,30,40,0.9,1,-1", "whole numbers"),
        ("0,8,10,20,30,40,0.9,1,-1", "outside 1 ... 3"),
        ("4,8,10,20,30,40,0.9,1,-1", "outside 1 ... 3"),
        ("1,8,10,20,30,40,0.9,3,-1", "a class outside 1 ... 2"),
        ("1,8,10,20,30,40,0.9,-1,-1", "a class outside 1 ... 2"),
        ("1,7,90,20,30,40,0.9,2,-1", "the id stands twice in one frame"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, what):
    path = write(tmp_path, f"{GOOD}\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_tracks(path, length=3, classes=2)
    assert caught.value.where == f"{path}:3"
    assert what in caught.value.what


def test_a_missing_file_and_a_binary_one(tmp_path):
    with pytest.raises(InputError, match="no such tracks"):
        read_tracks(tmp_path / "none.txt", 1, 1)
    (tmp_path / "name.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_tracks(tmp_path / "name.txt", 1, 1)


def test_format_tracks():
    tracks = np.array([[1, 2, 10.005, 20, 30.126, 40, 0.87654, 1], [12, 1, -3.5, 0, 5, 6, 1, 0]])
    assert format_tracks(tracks) == "1,2,10.01,20.00,30.13,40.00,0.8765,2,-1\n12,1,-3.50,0.00,5.00,6.00,1.0000,1,-1\n"
