from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import open_sequence, read_index, write_index
from tests.footage import picture


def row(sequence: str, split: str) -> dict:
    facts = {"frames": 1, "fps": 7.5, "width": 64, "height": 48, "boxes": 1, "ids": 1, "sha256": "0" * 64}
    return {"sequence": sequence, "split": split, **facts}


def test_rows_are_sorted_and_read_back(tmp_path: Path):
    write_index(tmp_path / "town", [row("b", "test"), row("007", "train")], {1: "person"})
    assert (tmp_path / "town/index.csv").read_text() == (
        "sequence,split,frames,fps,width,height,boxes,ids,sha256\n"
        f"007,train,1,7.5,64,48,1,1,{'0' * 64}\nb,test,1,7.5,64,48,1,1,{'0' * 64}\n"
    )
    assert list(read_index("town", root=tmp_path)["sequence"]) == ["007", "b"]  # a name stays a name
    assert list(read_index("town", "test", tmp_path)["sequence"]) == ["b"]


def test_no_index_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(InputError, match="no such index: run `dvc repro download@town`"):
        read_index("town", root=tmp_path)


def test_open_sequence(tmp_path: Path):
    info = SequenceInfo("walk", 10, 64, 48, 1)
    write_archive(tmp_path / "town/walk.zip", info, [picture(1)], np.array([[1, 1, 5, 5, 5, 5, 1, 1, 1]]))
    assert open_sequence("town", "walk", tmp_path).info == info
