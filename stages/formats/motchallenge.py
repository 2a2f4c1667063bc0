"""MOTChallenge sequences as they come, read from a folder or a ZIP and checked.

A sequence is a folder with `gt/gt.txt`, frames in `img1/` (or where seqinfo.ini says, or one video file) and
`seqinfo.ini`. Lengths and sizes that seqinfo.ini has wrong are corrected with a warning. Benchmarks keep the ground
truth of their test sequences to themselves: under a folder `test`, a folder with seqinfo.ini alone is a sequence too.
"""

from __future__ import annotations

import configparser
import re
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from stages.errors import InputError
from stages.formats.frames import open_frames
from stages.formats.incoming import Claim, Entry, Incoming, Listing, add_entry, own_split, text_of
from stages.params import MotChallengeSource
from stages.sequences.annotations import parse_gt
from stages.transport.fetch import is_safe
from stages.transport.tree import Tree, join

# MOT17 holds every sequence three times, once for each detector whose boxes come with it.
_DETECTOR = re.compile("-(DPM|FRCNN|SDP)$")
GT = "gt/gt.txt"  # a folder that holds this file is a sequence
SEQINFO = "seqinfo.ini"


def find(tree: Tree, source: MotChallengeSource) -> Listing:
    """The sequences in ``tree``; see `incoming`. Raises `InputError`.

    A sequence is called as its seqinfo.ini says, else as its folder.
    """
    entries: dict[str, Entry] = {}
    tree.fetch(join(folder, SEQINFO) for folder in _folders(tree))
    for folder in _folders(tree):
        name = _seqinfo(tree, folder).get("name", "").strip() or PurePosixPath(folder or tree.shown).stem
        group = _DETECTOR.sub("", name)
        entry = Entry(partial(_read, tree, name, folder, source), own_split(tree, folder), group)
        add_entry(entries, name, entry, tree.where(folder).rstrip("/ :"))
    if not entries:
        raise InputError(tree.shown, f"no sequence in it: no folder holds {GT}", "correct `path`")
    return Listing(dict(sorted(entries.items())), dict(source.labels))


def _folders(tree: Tree) -> list[str]:
    """The folders that hold `gt/gt.txt`, or seqinfo.ini alone under a folder `test`; at any depth, sorted."""
    annotated, described = (
        {path.removesuffix(file).rstrip("/") for path in tree.files() if path == file or path.endswith(f"/{file}")}
        for file in (GT, SEQINFO)
    )
    return sorted(annotated | {folder for folder in described - annotated if own_split(tree, folder) == "test"})


def _read(tree: Tree, name: str, folder: str, source: MotChallengeSource) -> Incoming:
    """Read the annotations of the sequence in ``folder``."""
    seqinfo = _seqinfo(tree, folder)
    where = tree.where(join(folder, SEQINFO))
    image_folder = seqinfo.get("imDir", "img1").strip("/") or "img1"
    if not is_safe(image_folder):
        raise InputError(where, f"imDir leads out of the sequence: {image_folder!r}", "correct imDir")
    gt_file, annotated = tree.where(join(folder, GT)), "gt.txt" in tree.names(join(folder, "gt"))
    text = text_of(tree, join(folder, GT)) if annotated else ""
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    facts = {"seqLength": "count", "imWidth": "width", "imHeight": "height"}
    return Incoming(
        name=name,
        fps=source.fps or _frame_rate(seqinfo, where),
        frames=open_frames(tree, folder, image_folder),
        gt=parse_gt(text, gt_file) if annotated else np.empty((0, 9)),
        at=lambda row: f"{gt_file}:{lines[row]}",
        gt_file=gt_file,
        claims=tuple(Claim(where, key, seqinfo[key], fact) for key, fact in facts.items() if key in seqinfo),
        annotated=annotated,
    )


def _seqinfo(tree: Tree, folder: str) -> configparser.SectionProxy | dict[str, str]:
    """The section of seqinfo.ini, empty where there is no such file."""
    if SEQINFO not in tree.names(folder):
        return {}
    path = join(folder, SEQINFO)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text_of(tree, path))
        return parser["Sequence"]
    except (configparser.Error, KeyError) as error:
        line = getattr(error, "lineno", None)
        where = f"{tree.where(path)}:{line}" if line else tree.where(path)
        raise InputError(where, "no [Sequence] section with key=value lines", "fetch the file again") from None


def _frame_rate(seqinfo: configparser.SectionProxy | dict[str, str], where: str) -> float:
    remedy = "set the source's `fps` in params.yaml"
    if "frameRate" not in seqinfo:
        raise InputError(where, "no frame rate (frameRate)", remedy)
    try:
        fps = float(seqinfo["frameRate"])
    except ValueError:
        fps = 0.0
    if not 0 < fps <= 10_000:
        raise InputError(where, f"frameRate is no frame rate: {seqinfo['frameRate']!r}", remedy)
    return fps
