"""Detections as Parquet: what is written is read back, and bad files are one error."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.sequences.detections import read_detections, write_detections

GOOD = (1, 10, 20, 40, 60, 0.5, 1)


def write(folder, *rows):
    path = folder / "name.parquet"
    write_detections(path, np.array(rows, np.float64).reshape(-1, 7))
    return path


def test_reads_what_was_written(tmp_path):
    rows = [GOOD, (3, 1, 2, 3, 4, 0.75, 0), (3, 0, 0, 1, 1, 0.25, 1)]
    path = write(tmp_path, *rows)
    assert read_detections(path, 4, 2).tolist() == [list(map(float, row)) for row in rows]
    assert [str(kind) for kind in pd.read_parquet(path).dtypes] == ["int32", *["float32"] * 5, "int32"]


def test_reading_does_not_import_data_sets(tmp_path):
    # Which would take every forked worker 0.4 s anew.
    code = "import sys; from stages.sequences.detections import read_detections as read; read(sys.argv[1], 4, 2)"
    asked = [sys.executable, "-c", f"{code}; print('pyarrow.dataset' in sys.modules)", write(tmp_path, GOOD)]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_detections_at_all(tmp_path):
    assert read_detections(write(tmp_path), 2, 1).shape == (0, 7)


def test_boxes_without_area_are_left_out(tmp_path):
    assert len(read_detections(write(tmp_path, GOOD, (1, 5, 5, 5, 9, 0.5, 0)), 4, 2)) == 1


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ((1, np.nan, 20, 40, 60, 0.5, 1), "not finite"),
        ((0, *GOOD[1:]), "frame 0 lies outside 1 to 4"),
        ((5, *GOOD[1:]), "frame 5 lies outside 1 to 4"),
        ((*GOOD[:5], 1.5, 1), "score 1.5 lies outside 0 to 1"),
        ((*GOOD[:6], 2), "class 2 lies outside 0 to 1"),
        ((*GOOD[:6], -1), "class -1 lies outside 0 to 1"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, what):
    path = write(tmp_path, GOOD, row)
    with pytest.raises(InputError, match=what) as caught:
        read_detections(path, 4, 2)
    assert caught.value.where == str(path)


def test_no_file_no_table_no_columns(tmp_path):
    with pytest.raises(InputError, match="no such detections"):
        read_detections(tmp_path / "none.parquet", 1, 1)
    path = tmp_path / "name.parquet"
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match="not a table of detections"):
        read_detections(path, 1, 1)
    pd.DataFrame({"frame": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="not a table of detections"):
        read_detections(path, 1, 1)
