from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.sequences.archive import Sequence, SequenceInfo, write_archive
from tests.footage import picture

INFO = SequenceInfo("walk", 12.5, 64, 48, 3)
GT = np.array([[1, 7, 1.25, -2, 3, 4, 1, 1, 0.5], [3, 7, 2, 2, 3, 4, 0, -1, 1]])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path / "walk.zip", INFO, (picture(n) for n in (1, 2, 3)), GT)
    return tmp_path / "walk.zip"


def test_what_is_written_is_read(archive: Path):
    sequence = Sequence(archive)
    assert sequence.info == INFO
    assert sequence.encoded(2) == picture(2)
    assert sequence.frame(3).shape == (48, 64, 3)
    assert np.array_equal(sequence.gt(), GT)
    assert pickle.loads(pickle.dumps(sequence)).encoded(1) == picture(1)
    sequence.close()


def test_layout_is_motchallenge_stored_and_undated(archive: Path):
    with zipfile.ZipFile(archive) as content:
        assert content.namelist() == ["seqinfo.ini", "gt/gt.txt", *(f"img1/00000{n}.jpg" for n in (1, 2, 3))]
        assert {item.compress_type for item in content.infolist()} == {zipfile.ZIP_STORED}
        assert {item.date_time for item in content.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert content.read("gt/gt.txt") == b"1,7,1.25,-2,3,4,1,1,0.5\n3,7,2,2,3,4,0,-1,1\n"
        assert b"frameRate=12.5\nseqLength=3\n" in content.read("seqinfo.ini")


def test_equal_content_is_equal_bytes(archive: Path, tmp_path: Path):
    write_archive(tmp_path / "again.zip", INFO, [picture(n) for n in (1, 2, 3)], GT)
    assert archive.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_wrong_number_of_frames_writes_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match="2 frames written, 3 announced"):
        write_archive(tmp_path / "walk.zip", INFO, [picture(1), picture(2)], GT)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="no such sequence archive: run `dvc repro`"):
        Sequence(tmp_path / "absent.zip")
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(InputError, match=r"text\.zip: not a sequence archive"):
        Sequence(tmp_path / "text.zip")
