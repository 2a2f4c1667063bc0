"""Builds a source: one checked sequence archive per sequence and index.csv, in a folder that appears at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.files import replacing, sha256_of
from stages.formats.groundtruth import Meaning, checked_gt
from stages.formats.incoming import Incoming, find_sequences
from stages.params import FileSource, Params, WorldSource, where
from stages.sequences.annotations import FRAME, ID, purposes
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sequences.index import SOURCES, write_index
from stages.sources.leaks import refuse_leaks, warn_of_near_copies
from stages.sources.splits import Piece, pieces_of
from stages.transport.open import open_tree
from stages.transport.progress import Traffic
from stages.transport.tree import Tree

_WORKERS = min(4, os.cpu_count() or 1)  # processes that render


def build_source(name: str, params: Params, root: Path = SOURCES) -> Traffic:
    """Write `data/sources/NAME/`, and say what travelled; on any error it is as it was. Raises `InputError`."""
    source, traffic = params.sources[name], Traffic()
    with _room(root / name), replacing(root / name) as folder:
        folder.mkdir()
        if isinstance(source, WorldSource):
            rows, labels = _world(source, params.classes, folder), source.known_labels
        else:
            tree = open_tree(source)
            rows, labels = _from_files(tree, name, source, params.classes, folder)
            tree.close()
            traffic = tree.traffic
            refuse_leaks(name, folder, rows)
            warn_of_near_copies(name, folder, rows)
        write_index(folder, rows, labels)
    return traffic


def _world(source: WorldSource, classes: tuple[str, ...], folder: Path) -> list[dict]:
    from stages.world import world_sequences

    render = partial(_render, source=source, classes=classes, folder=folder)
    with ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn")) as pool:
        return list(pool.map(render, world_sequences(source)))


def _render(item: Any, source: WorldSource, classes: tuple[str, ...], folder: Path) -> dict:
    """Render one of the embedded world's sequences into its archive."""
    frames, gt = item.render()
    return _write(folder, item.split, item.info, frames, gt, purposes(gt, source.known_labels, source.classes, classes))


def _from_files(
    tree: Tree, name: str, source: FileSource, classes: tuple[str, ...], folder: Path
) -> tuple[list[dict], dict[int, str]]:
    """Read annotations, choose what is taken, fetch it in one go, and write it; rows of index.csv, and class names."""
    listing = find_sequences(tree, source)
    meaning = Meaning(name, source, listing.labels, classes)
    for error in meaning.unknown_classes():
        raise error
    pieces = pieces_of(name, source, listing.splits, listing.groups)
    taken = {}
    for piece in pieces:
        incoming = taken[piece.sequence][0] if piece.sequence in taken else listing.entries[piece.sequence].read()
        taken.setdefault(piece.sequence, (incoming, []))[1].append((piece, taken_frames(incoming, piece, meaning)))
    tree.fetch(
        path for incoming, cuts in taken.values() for _, numbers in cuts for path in incoming.frames.paths(numbers)
    )
    return [
        row for incoming, cuts in taken.values() for row in _write_cuts(incoming, cuts, meaning, folder)
    ], listing.labels


def taken_frames(incoming: Incoming, piece: Piece, meaning: Meaning) -> range:
    """The frames of a sequence that ``piece``, thinned by `take`, is made of."""
    count, take = incoming.frames.count, meaning.source.take
    last = count if piece.last is None else piece.last
    if last > count:
        part = piece.name.removeprefix(f"{piece.sequence}-")
        place = where("sources", meaning.name, "ranges", piece.sequence, part, "frames")
        raise InputError(place, f"ends at frame {last}, {piece.sequence} has {count}", "end it earlier")
    return range(piece.first, last + 1, take.stride)[: take.frames]


def taken_rows(incoming: Incoming, gt: np.ndarray, piece: Piece, numbers: range) -> np.ndarray:
    """A copy of the rows of ``gt`` in the frames ``numbers``; raises `InputError` where there have to be some."""
    if not incoming.annotated and piece.split != "test":
        what = f"no ground truth, and {piece.sequence} is in the split `{piece.split}`"
        raise InputError(incoming.gt_file, what, "put it into `test`, or leave it out (take.sequences)")
    rows = gt[np.isin(gt[:, FRAME], numbers)].copy()
    if not len(rows) and incoming.frames.count > 1 and incoming.annotated:
        what = f"no boxes in frames {numbers[0]} to {numbers[-1]} of {piece.sequence}"
        raise InputError(incoming.gt_file, what, "take more frames, other frames, or not this sequence")
    return rows


def _write_cuts(incoming: Incoming, cuts: list[tuple[Piece, range]], meaning: Meaning, folder: Path) -> Iterator[dict]:
    """Check one sequence and write its pieces' archives, frames numbered from 1 in each."""
    stride, frames = meaning.source.take.stride, incoming.frames
    size = frames.size(cuts[0][1][0])
    checked = checked_gt(incoming, meaning, size)
    fps = float(f"{incoming.fps / stride:g}")  # as seqinfo.ini will say
    for piece, numbers in cuts:
        gt = taken_rows(incoming, checked, piece, numbers)
        gt[:, FRAME] = (gt[:, FRAME] - piece.first) // stride + 1
        info = SequenceInfo(piece.name, fps, *size, len(numbers), frames.extension)
        yield _write(folder, piece.split, info, frames.encoded(numbers), gt, meaning.purposes(gt))


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
