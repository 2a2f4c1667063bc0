"""stages/sequences/features.py: what is written is read back, and what does not fit is one error."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from stages.errors import InputError
from stages.sequences.features import (
    embeddings_path,
    read_embeddings,
    read_warps,
    warps_path,
    write_embeddings,
    write_warps,
)

FRAMES = np.array([1, 1, 3])
AGAIN = r"run `dvc repro features@stage1`"


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return embeddings_path("stage1", "looks", "street", "one")


def unit(rows: int, size: int = 64) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(rows, size)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_embeddings_come_back_as_half_as_exact(path):
    write_embeddings(path, FRAMES, unit(3))
    read = read_embeddings(path, FRAMES)
    assert (read.shape, read.dtype) == ((3, 64), np.float32)
    assert np.allclose((read * unit(3)).sum(axis=1), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
    assert str(parquet.read_schema(path).field("embedding").type).startswith("fixed_size_list<element: halffloat")


def test_embeddings_are_split_into_bytes_without_a_dictionary_and_always_the_same(path):
    write_embeddings(path, np.ones(99), unit(99))
    content, group = path.read_bytes(), parquet.read_metadata(path).row_group(0)
    assert [group.column(i).has_dictionary_page for i in range(group.num_columns)] == [False, False]
    assert "BYTE_STREAM_SPLIT" in group.column(1).encodings
    write_embeddings(path, np.ones(99), unit(99))
    assert path.read_bytes() == content


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_forked_worker_reads_without_threads(path):
    write_embeddings(path, FRAMES, unit(3))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(threads_started_by_reading, (path,)) == 0


def threads_started_by_reading(path: Path) -> int:
    before = len(list(Path("/proc/self/task").iterdir()))
    read_embeddings(path, FRAMES)
    return len(list(Path("/proc/self/task").iterdir())) - before


def test_a_box_without_a_look_and_no_boxes_at_all(path):
    write_embeddings(path, FRAMES, np.zeros((3, 4)))
    assert not read_embeddings(path, FRAMES).any()
    write_embeddings(path, FRAMES[:0], np.zeros((0, 4)))
    assert read_embeddings(path, FRAMES[:0]).shape == (0, 4)


def test_warps_come_back_exactly(path):
    warps = np.random.default_rng(0).normal(size=(5, 2, 3))
    where = warps_path("stage1", "sof", "street", "one")
    assert str(where) == "data/features/stage1/camera-sof/street/one.parquet"
    write_warps(where, warps)
    assert np.array_equal(read_warps(where, 5), warps)


@pytest.mark.parametrize("frames", [FRAMES[:2], np.array([1, 2, 3]), np.array([1, 1, 3, 3])])
def test_embeddings_of_other_boxes(path, frames):
    write_embeddings(path, FRAMES, unit(3))
    with pytest.raises(InputError, match=rf"made for other boxes than are tracked now: {AGAIN}"):
        read_embeddings(path, frames)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5])
def test_embeddings_that_are_not_of_length_one(path, value):
    write_embeddings(path, FRAMES, unit(3) * [[1], [value], [1]])
    with pytest.raises(InputError, match=rf"one\.parquet: holds embeddings that are not of length 1: {AGAIN}"):
        read_embeddings(path, FRAMES)


def test_warps_that_do_not_fit(path):
    write_warps(path, np.zeros((4, 2, 3)))
    with pytest.raises(InputError, match=rf"camera motion of 4 frames, not of 5: {AGAIN}"):
        read_warps(path, 5)
    write_warps(path, np.full((4, 2, 3), np.nan))
    with pytest.raises(InputError, match="not finite"):
        read_warps(path, 4)


@pytest.mark.parametrize(
    ("read", "what"),
    [(lambda p: read_embeddings(p, FRAMES), "embeddings"), (lambda p: read_warps(p, 3), "camera motion")],
)
def test_no_file_no_table_no_columns(path, read, what):
    with pytest.raises(InputError, match=rf"no such {what}: {AGAIN}"):
        read(path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=rf"no table of {what} \("):
        read(path)
    pd.DataFrame({"frame": [1, 1, 3]}).to_parquet(path)
    with pytest.raises(InputError, match=rf"no table of {what} \("):
        read(path)
    pd.DataFrame({"frame": [1, 1, 3], "embedding": [1, 2, 3], "a11": ["x", "y", "z"]}).to_parquet(path)
    with pytest.raises(InputError, match=rf"no table of {what} \("):
        read(path)
