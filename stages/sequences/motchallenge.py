"""MOTChallenge sequences as they come, read from a folder or a ZIP and checked.

A sequence is a folder with `gt/gt.txt`, frames in `img1/` (or where seqinfo.ini says, or one video file) and
`seqinfo.ini`. Lengths and sizes that seqinfo.ini has wrong are corrected with a warning.
"""

from __future__ import annotations

import configparser
import re
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from stages.errors import InputError
from stages.sequences.fetch import is_safe
from stages.sequences.frames import Frames, open_frames
from stages.sequences.groundtruth import Meaning, read_gt
from stages.sequences.tree import GT, Tree, join

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class IncomingSequence:
    """A checked sequence: frames a second, frames (count, size and content), ground truth (N, 9) and its file."""

    name: str
    fps: float
    frames: Frames
    gt: np.ndarray
    gt_file: str


def find_sequences(tree: Tree) -> dict[str, str]:
    """The sequences in ``tree``: name to folder, sorted by name.

    A sequence is called as its seqinfo.ini says, else as its folder. Raises `InputError` for none, for two of one
    name and for a name that is no file name.
    """
    found: dict[str, str] = {}
    for folder in tree.sequences():
        where = tree.where(folder).rstrip("/ :")
        name = _seqinfo(tree, folder).get("name", "").strip() or PurePosixPath(folder or tree.shown).stem
        if not _NAME.fullmatch(name):
            raise InputError(where, f"{name!r} is no name for a file", "use letters, digits, `.`, `_` and `-`")
        if name in found:
            other = tree.where(found[name])
            raise InputError(where, f"a second sequence named {name} (the first: {other})", "rename one of the two")
        found[name] = folder
    if not found:
        raise InputError(tree.shown, f"no sequence in it: no folder holds {GT}", "correct `path`")
    return dict(sorted(found.items()))


def read_sequence(tree: Tree, name: str, folder: str, meaning: Meaning) -> IncomingSequence:
    """Read and check the sequence in ``folder``; frames are checked when they are read. Raises `InputError`."""
    seqinfo = _seqinfo(tree, folder)
    where = tree.where(join(folder, "seqinfo.ini"))
    fps = meaning.source.fps or _frame_rate(seqinfo, where, meaning.name)
    image_folder = seqinfo.get("imDir", "img1").strip("/") or "img1"
    if not is_safe(image_folder):
        raise InputError(where, f"imDir leads out of the sequence: {image_folder!r}", "correct imDir")
    frames = open_frames(tree, folder, image_folder)
    gt_file = tree.where(join(folder, GT))
    gt, beyond = read_gt(_text(tree, join(folder, GT)), gt_file, meaning, frames.size, frames.count)
    _warn_of_lies(where, seqinfo, frames, beyond)
    return IncomingSequence(name, fps, frames, gt, gt_file)


def _text(tree: Tree, path: str) -> str:
    try:
        return tree.read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(tree.where(path), "not text", "fetch the file again") from None


def _seqinfo(tree: Tree, folder: str) -> configparser.SectionProxy | dict[str, str]:
    """The section of seqinfo.ini, empty where there is no such file."""
    if "seqinfo.ini" not in tree.names(folder):
        return {}
    path = join(folder, "seqinfo.ini")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(tree, path))
        return parser["Sequence"]
    except (configparser.Error, KeyError) as error:
        line = getattr(error, "lineno", None)
        where = f"{tree.where(path)}:{line}" if line else tree.where(path)
        raise InputError(where, "no [Sequence] section with key=value lines", "fetch the file again") from None


def _frame_rate(seqinfo: configparser.SectionProxy | dict[str, str], where: str, source: str) -> float:
    remedy = f"set sources.{source}.fps in params.yaml"
    if "frameRate" not in seqinfo:
        raise InputError(where, "no frame rate (frameRate)", remedy)
    fps = _number(seqinfo["frameRate"])
    if fps is None or not 0 < fps <= 10_000:
        raise InputError(where, f"frameRate is no frame rate: {seqinfo['frameRate']!r}", remedy)
    return fps


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _warn_of_lies(where: str, seqinfo: configparser.SectionProxy | dict[str, str], frames: Frames, beyond: int) -> None:
    """Say on stderr what seqinfo.ini has wrong, and how many rows of gt.txt went with it."""
    facts = {"seqLength": frames.count, "imWidth": frames.size[0], "imHeight": frames.size[1]}
    lies = [
        f"{key} is {seqinfo[key]}, found {fact}"
        for key, fact in facts.items()
        if key in seqinfo and _number(seqinfo[key]) != fact
    ]
    if beyond:
        lies.append(f"{beyond} rows of gt.txt behind the last frame dropped")
    if lies:
        print(f"warning: {where}: {'; '.join(lies)}", file=sys.stderr)
