"""What trackers use of a sequence besides its boxes, computed once: `data/features/CHECKPOINT/`.

REID/SOURCE/NAME.parquet has an embedding for each box, camera-METHOD/SOURCE/NAME.parquet the camera's motion for each
frame: written, read and checked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from stages.errors import InputError
from stages.files import replacing

FEATURES = Path("data/features")
_WARP = ("a11", "a12", "tx", "a21", "a22", "ty")  # row by row
_HALVES = "embedding.list.element"  # Parquet's path of the numbers in the column `embedding`


def embeddings_path(checkpoint: str, reid: str, source: str, name: str) -> Path:
    """Where the embeddings of the boxes in sequence ``name`` are, by the appearance model ``reid``."""
    return FEATURES / checkpoint / reid / source / f"{name}.parquet"


def warps_path(checkpoint: str, method: str, source: str, name: str) -> Path:
    """Where the camera's motion in sequence ``name`` is, estimated by ``method``."""
    return FEATURES / checkpoint / f"camera-{method}" / source / f"{name}.parquet"


def write_embeddings(path: str | Path, frames: np.ndarray, embeddings: np.ndarray) -> None:
    """Write embeddings (N, D) of boxes in ``frames`` (N,) as float16, in one step."""
    flat = pyarrow.array(np.ascontiguousarray(embeddings, np.float16).reshape(-1))
    lists = pyarrow.FixedSizeListArray.from_arrays(flat, embeddings.shape[1])
    _write(path, {"frame": frames.astype(np.int32), "embedding": lists})


def read_embeddings(path: str | Path, frames: np.ndarray) -> np.ndarray:
    """Embeddings (N, D) float32 of the boxes in ``frames`` (N,), each of length 1, or 0 for a box without a look.

    Raises `InputError` for a missing or unreadable file, for embeddings of other boxes than these, and for ones that
    are not finite or not of length 1.
    """
    path = Path(path)
    table = _read(path, ("frame", "embedding"), "embeddings")
    try:
        lists = table["embedding"].combine_chunks()
        values = lists.flatten().to_numpy().reshape(-1, lists.type.list_size).astype(np.float32)
        stored = table["frame"].to_numpy()
    except (pyarrow.ArrowException, AttributeError, ValueError, TypeError) as error:
        raise _unreadable(path, "embeddings", error) from None
    if len(values) != len(stored) or not np.array_equal(stored, frames):
        raise InputError(str(path), "made for other boxes than are tracked now", _again(path))
    lengths = np.linalg.norm(values, axis=1)
    # float16 has 11 bits: a number is off by 2^-11 of itself at most, and so is the length.
    if not (np.isfinite(lengths) & ((np.abs(lengths - 1) < 2e-3) | (lengths == 0))).all():
        raise InputError(str(path), "holds embeddings that are not of length 1", _again(path))
    return values / np.where(lengths, lengths, 1)[:, None]


def write_warps(path: str | Path, warps: np.ndarray) -> None:
    """Write the camera's motion (length, 2, 3) since the frame before, in pixels, in one step."""
    flat = warps.reshape(-1, 6)
    frames = np.arange(1, len(flat) + 1, dtype=np.int32)
    _write(path, {"frame": frames, **{name: flat[:, i].astype(np.float64) for i, name in enumerate(_WARP)}})


def read_warps(path: str | Path, length: int) -> np.ndarray:
    """The camera's motion (length, 2, 3) float64; raises `InputError` as `read_embeddings` does."""
    path = Path(path)
    table = _read(path, ("frame", *_WARP), "camera motion")
    try:
        values = np.stack([table[name].to_numpy().astype(np.float64) for name in _WARP], axis=1)
        stored = table["frame"].to_numpy()
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise _unreadable(path, "camera motion", error) from None
    if not np.array_equal(stored, np.arange(1, length + 1)):
        raise InputError(str(path), f"camera motion of {len(stored)} frames, not of {length}", _again(path))
    if not np.isfinite(values).all():
        raise InputError(str(path), "holds numbers that are not finite", _again(path))
    return values.reshape(-1, 2, 3)


def _write(path: str | Path, columns: dict) -> None:
    # Numbers that hardly repeat: a dictionary of them makes files larger, and slower to read. Split into first and
    # second bytes, halves are smallest and read as fast as if they were not compressed.
    split = [_HALVES] if "embedding" in columns else False
    with replacing(path) as partial:
        table = pyarrow.table(columns)
        parquet.write_table(table, partial, compression="zstd", use_dictionary=False, use_byte_stream_split=split)


def _read(path: Path, columns: tuple[str, ...], what: str) -> pyarrow.Table:
    try:
        # Not `read_table`, which imports much, and starts threads even if told not to, in every worker's process.
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=list(columns), use_threads=False)
    except FileNotFoundError:
        raise InputError(str(path), f"no such {what}", _again(path)) from None
    except (pyarrow.ArrowException, ValueError, TypeError, OSError) as error:
        raise _unreadable(path, what, error) from None
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise _unreadable(path, what, f"no column {missing[0]}")
    return table


def _unreadable(path: Path, what: str, error: object) -> InputError:
    reason = str(error).splitlines()[0][:80]
    return InputError(str(path), f"no table of {what} ({reason})", _again(path))


def _again(path: Path) -> str:
    """The command that makes the file: its path is CHECKPOINT/KIND/SOURCE/NAME.parquet."""
    return f"run `dvc repro features@{path.parent.parent.parent.name}`"
