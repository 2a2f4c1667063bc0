"""Builds a source: one checked sequence archive per sequence and index.csv, in a folder that appears at once."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.files import replacing, sha256_of
from stages.params import MotChallengeSource, Params, WorldSource, where
from stages.sequences.annotations import FRAME, ID, purposes
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.fetch import expand, fetch
from stages.sequences.groundtruth import Meaning
from stages.sequences.index import SOURCES, write_index
from stages.sequences.motchallenge import IncomingSequence, find_sequences, read_sequence
from stages.sequences.remote import show
from stages.sequences.splits import Piece, pieces_of
from stages.sequences.tree import open_tree

_WORKERS = min(4, os.cpu_count() or 1)  # processes that render


def build_source(name: str, params: Params, root: Path = SOURCES) -> None:
    """Write `data/sources/NAME/`; on any error it is as it was. Raises `InputError`."""
    source = params.sources[name]
    with _room(root / name), replacing(root / name) as folder:
        folder.mkdir()
        if isinstance(source, WorldSource):
            rows = _world(source, params.classes, folder)
        else:
            rows = list(_motchallenge(name, source, params.classes, folder))
            _refuse_leaks(name, folder, rows)
        write_index(folder, rows)


def _world(source: WorldSource, classes: tuple[str, ...], folder: Path) -> list[dict]:
    from stages.sequences.world import world_sequences

    render = partial(_render, source=source, classes=classes, folder=folder)
    with ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn")) as pool:
        return list(pool.map(render, world_sequences(source)))


def _render(item: Any, source: WorldSource, classes: tuple[str, ...], folder: Path) -> dict:
    """Render one of the embedded world's sequences into its archive."""
    frames, gt = item.render()
    return _write(folder, item.split, item.info, frames, gt, purposes(gt, source.labels, source.classes, classes))


def _motchallenge(name: str, source: MotChallengeSource, classes: tuple[str, ...], folder: Path) -> Iterator[dict]:
    path = fetch(source.path, sha256=source.sha256, endpoint_url=source.endpoint_url, anonymous=source.anonymous)
    tree = open_tree(path, show(expand(source.path)))
    meaning = Meaning(name, source, classes)
    found = find_sequences(tree)
    pieces = pieces_of(name, source, found)
    for sequence in dict.fromkeys(piece.sequence for piece in pieces):
        incoming = read_sequence(tree, sequence, found[sequence], meaning)
        for piece in (piece for piece in pieces if piece.sequence == sequence):
            cut = _cut(incoming, piece, meaning)
            yield _write(folder, piece.split, cut.info, incoming.frames.encoded(cut.numbers), cut.gt, cut.use)


def _refuse_leaks(name: str, folder: Path, rows: list[dict]) -> None:
    """The same frames in two splits are an error: MOT17 holds every sequence three times, once per detector."""
    seen: dict[tuple[int, ...], dict] = {}
    for row in rows:
        with zipfile.ZipFile(folder / f"{row['sequence']}.zip") as archive:
            frames = tuple(item.CRC for item in archive.infolist() if item.filename.startswith("img1/"))
        other = seen.setdefault(frames, row)
        if other["split"] != row["split"]:
            what = " and ".join(f"`{one['sequence']}` ({one['split']})" for one in (other, row))
            remedy = "leave one out (`take.sequences`), or list both in one split"
            raise InputError(where("sources", name, "splits"), f"{what} hold the same frames", remedy)


@dataclass(frozen=True)
class _Cut:
    """A piece of a sequence: the numbers of its frames in the sequence, and its own ground truth."""

    info: SequenceInfo
    numbers: range
    gt: np.ndarray
    use: np.ndarray


def _cut(incoming: IncomingSequence, piece: Piece, meaning: Meaning) -> _Cut:
    """Cut ``piece`` out, thin it by `take`, and number its frames from 1."""
    count, take = incoming.frames.count, meaning.source.take
    last = count if piece.last is None else piece.last
    if last > count:
        part = piece.name.removeprefix(f"{piece.sequence}-")
        place = where("sources", meaning.name, "ranges", piece.sequence, part, "frames")
        raise InputError(place, f"ends at frame {last}, {piece.sequence} has {count}", "end it earlier")
    numbers = range(piece.first, last + 1, take.stride)[: take.frames]
    gt = incoming.gt[np.isin(incoming.gt[:, FRAME], numbers)].copy()
    if not len(gt):
        what = f"no boxes in frames {numbers[0]} to {numbers[-1]} of {piece.sequence}"
        raise InputError(incoming.gt_file, what, "take more frames, other frames, or not this sequence")
    gt[:, FRAME] = (gt[:, FRAME] - piece.first) // take.stride + 1
    fps = float(f"{incoming.fps / take.stride:g}")  # as seqinfo.ini will say
    frames = incoming.frames
    info = SequenceInfo(piece.name, fps, *frames.size, len(numbers), frames.extension)
    return _Cut(info, numbers, gt, meaning.purposes(gt))


def _write(
    folder: Path, split: str, info: SequenceInfo, frames: Iterable[bytes], gt: np.ndarray, use: np.ndarray
) -> dict:
    """Write the archive; its row of index.csv, where boxes and ids are those of targets."""
    path = folder / f"{info.name}.zip"
    write_archive(path, info, frames, gt)
    targets = gt[use >= 0]
    return {
        "sequence": info.name,
        "split": split,
        "frames": info.length,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
        "boxes": len(targets),
        "ids": len(np.unique(targets[:, ID])),
        "sha256": sha256_of(path),
    }


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """A full disk, said with the place's name: writing to an open file does not tell it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(str(path), "no space left on device", "free some space, then run again") from None
