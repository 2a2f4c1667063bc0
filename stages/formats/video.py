"""Plain video files, each with its ground truth in MOTChallenge's columns beside it.

A sequence is a video `NAME.mp4` (or .avi, .mkv, .mov) with `NAME.txt` in the same folder, or, where the folder holds
no other video, with `gt.txt` or `gt/gt.txt`. It is called NAME. Frame 1 is the first frame that can be decoded. The
frame rate is the container's, unless params.yaml gives `fps`. `labels` names the class numbers: by default 1, and -1
for rows that end in world coordinates, are `object`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import PurePosixPath

from stages.errors import InputError
from stages.formats.frames import VIDEOS, VideoFrames, has_suffix
from stages.formats.incoming import Entry, Incoming, Listing, above, add_entry, own_split, text_of
from stages.params import VideoSource
from stages.sequences.annotations import parse_gt
from stages.transport.tree import Tree, join

_SHARED = ("gt.txt", "gt/gt.txt")  # the ground truth of a folder's one video


def find(tree: Tree, source: VideoSource) -> Listing:
    """The sequences in ``tree``: every video with ground truth; see `incoming`. Raises `InputError`."""
    entries: dict[str, Entry] = {}
    files = set(tree.files())
    videos = [path for path in tree.files() if has_suffix(path.rpartition("/")[2], VIDEOS)]
    beside = Counter(above(path) for path in videos)
    for path in videos:
        gt = _ground_truth(tree, path, files, beside[above(path)])
        if gt:
            entry = Entry(partial(_read, tree, path, gt, source), own_split(tree, above(path)))
            add_entry(entries, PurePosixPath(path).stem, entry, tree.where(path))
    if not entries:
        what = "no sequence in it: no video with NAME.txt, gt.txt or gt/gt.txt beside it"
        raise InputError(tree.shown, what, "correct `path`")
    return Listing(entries, dict(source.known_labels))


def _ground_truth(tree: Tree, path: str, files: set[str], beside: int) -> str | None:
    """The ground truth of the video at ``path``; None where there is none. ``beside``: videos in its folder."""
    own = str(PurePosixPath(path).with_suffix(".txt"))
    if own in files:
        return own
    shared = next((place for name in _SHARED if (place := join(above(path), name)) in files), None)
    if shared and beside > 1:
        what = f"{beside} videos beside one ground truth"
        raise InputError(tree.where(shared), what, "name each video's own like the video, NAME.txt")
    return shared


def _read(tree: Tree, path: str, gt: str, source: VideoSource) -> Incoming:
    gt_file = tree.where(gt)
    text = text_of(tree, gt)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    frames = VideoFrames(tree, path)
    rows = parse_gt(text, gt_file)
    fps = source.fps or frames.fps
    if fps is None:
        raise InputError(tree.where(path), "states no frame rate", "set the source's `fps` in params.yaml")
    return Incoming(
        name=PurePosixPath(path).stem,
        fps=fps,
        frames=frames,
        gt=rows,
        at=lambda row: f"{gt_file}:{lines[row]}",
        gt_file=gt_file,
    )
