"""What the formats share whose files list images by path (COCO, JSONL, YOLO): where those lie, names, splits, ids."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from stages.errors import InputError
from stages.formats.frames import IMAGES, ImageFrames, has_suffix
from stages.formats.incoming import above, official_split
from stages.params import ListedSource
from stages.transport.tree import Tree, join

CROWD = "crowd"  # the class of what a file marks as a crowd, or as not to be judged
_LARGEST = 10**9  # ids up to here stand in gt.txt as they are


def still_name(path: str) -> str:
    """A still image's name: its path in the tree, parts put together by `-`, folders `images` and the suffix left out.

    Images of one file name are common (train/0001.jpg, val/0001.jpg); images of one path are not.
    """
    folders = [part for part in above(path).split("/") if part and part.lower() != "images"]
    return sequence_name("-".join([*folders, PurePosixPath(path).stem]))


def sequence_name(text: str) -> str:
    """``text`` as a name for a file: `/` becomes `-`, a blank and its like `_`, other scripts their code."""
    name = re.sub(r"[^A-Za-z0-9._-]", lambda found: _substitute(found[0]), text.replace("/", "-"))
    return name if re.match(r"[A-Za-z0-9]", name) else f"v{name}"


def _substitute(letter: str) -> str:
    return "_" if ord(letter) < 128 else f"u{ord(letter):x}"


def split_named(path: str) -> str | None:
    """The split that a path names, its last part first: `instances_train2017.json` is train; None: none, or two."""
    for part in reversed(path.lower().split("/")):
        found = {official_split(word) for word in re.findall(r"[a-z]+", part)} - {None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def annotation_files(tree: Tree, source: ListedSource, suffixes: tuple[str, ...]) -> dict[str, str | None]:
    """The files that `annotations` names, or else all with one of ``suffixes``, each with its split."""
    if source.annotations is None:
        found = {path: split_named(path) for path in tree.files() if path.lower().endswith(suffixes)}
        if not found:
            raise InputError(tree.shown, f"no {' or '.join(suffixes)} file in it", "correct `path`")
        return found
    named = {path: split for split, path in source.annotations.items()}
    for path in named:
        if path not in tree.files():
            raise InputError(tree.where(path), "no such file", "correct the source's `annotations` in params.yaml")
    return named


class ImagePaths:
    """The files of a tree by name: where the images lie that a file lists by the end of their path."""

    def __init__(self, tree: Tree):
        self._tree, self._files = tree, sorted(tree.files())
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self._files:
            self._by_name[path.rpartition("/")[2]].append(path)

    def __contains__(self, path: str) -> bool:
        return path in self._by_name.get(path.rpartition("/")[2], ())

    def under(self, folder: str) -> list[str]:
        """The images in ``folder`` at any depth, sorted."""
        start = f"{folder}/" if folder else ""
        first = bisect_left(self._files, start)
        last = bisect_left(self._files, start + chr(0x10FFFF))
        return [path for path in self._files[first:last] if has_suffix(path.rpartition("/")[2], IMAGES)]

    def root(self, listed: Iterable[str], file: str, split: str | None, images: str | None) -> str:
        """The folder that the paths ``listed`` in ``file`` start from, for the first of them that is there.

        Of several, the one beside the file goes before those named by ``split``; else `InputError` asks for `images`.
        """
        for name in listed:
            roots = [path[: len(path) - len(name)].rstrip("/") for path in self._ending(name)]
            roots = [root for root in roots if images is None or _within(root, images.strip("/"))]
            if roots:
                return self._only(roots, file, split)
        remedy = "put them there, or name other files and folders in the source's `annotations` and `images`"
        raise InputError(self._tree.where(file), "none of its images is there", remedy)

    def _ending(self, name: str) -> list[str]:
        found = self._by_name.get(name.rpartition("/")[2], [])
        return [path for path in found if path == name or path.endswith(f"/{name}")]

    def _only(self, roots: list[str], file: str, split: str | None) -> str:
        beside = [root for root in roots if root == above(file)]
        named = [root for root in roots if split is not None and split_named(root) == split]
        for some in (roots, beside, named):
            if len(some) == 1:
                return some[0]
        shown = " and ".join(f"{root}/" for root in sorted(roots)[:2])
        remedy = "name the folder in the source's `images` in params.yaml"
        raise InputError(self._tree.where(file), f"its images could be those in {shown}", remedy)

    def frames(self, paths: Sequence[str], places: Sequence[str]) -> ImageFrames:
        """``paths`` as a sequence's frames; raises `InputError` with an image's place for one that is not there."""
        suffix = PurePosixPath(paths[0]).suffix.lower()
        for path, place in zip(paths, places, strict=True):
            if path not in self:
                raise InputError(place, f"no image {self._tree.where(path)}", "put it there, or delete the entry")
            if not has_suffix(path.rpartition("/")[2], IMAGES):
                raise InputError(place, f"{path} is no JPEG or PNG", "convert it")
            if PurePosixPath(path).suffix.lower() != suffix:
                raise InputError(place, f"{path} is not {suffix} as the frames before it", "keep to one image format")
        return ImageFrames(self._tree, list(paths))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def path_below(root: str, listed: str) -> str:
    """The path of an image that a file lists as ``listed``."""
    return join(root, listed.removeprefix("./"))


def identities(raw: Sequence[object]) -> np.ndarray:
    """Identities as a file gives them, (N,) int64; what has none (None) gets a number of its own.

    Whole numbers from 0 to a thousand million stay; where there are others, or text, all are numbered from 1 in the
    order in which they first come.
    """
    given = [value for value in raw if value is not None]
    if all(type(value) is int and 0 <= value <= _LARGEST for value in given):
        known = {value: value for value in given}
    else:
        known = {value: number for number, value in enumerate(dict.fromkeys(given), 1)}
    free = max(known.values(), default=0)
    result = []
    for value in raw:
        free += value is None
        result.append(free if value is None else known[value])
    return np.array(result, dtype=np.int64)


def step_between(numbers: Sequence[int], places: Sequence[str]) -> int:
    """How far apart the frame numbers of a sequence are, ascending; raises `InputError` where that changes.

    A sequence is a clock: frames 1, 4, 7 have a third of the video's rate, and 1, 2, 7 have none.
    """
    steps = np.diff(numbers)
    if not len(steps):
        return 1
    if (steps == 0).any():
        row = int(np.argmax(steps == 0)) + 1
        raise InputError(places[row], f"frame {numbers[row]} stands twice in its sequence", "delete one of the two")
    if (steps != steps[0]).any():
        row = int(np.argmax(steps != steps[0])) + 1
        what = f"frame {numbers[row]} comes {steps[row - 1]} behind the one before it, not {steps[0]} as at first"
        raise InputError(places[row], what, "frames must be evenly spaced: add the missing ones, or cut the sequence")
    return int(steps[0])


def is_number(value: object) -> bool:
    """Whether a value from JSON or YAML is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)


def is_rate(value: object) -> bool:
    """Whether a value is a frame rate, in frames a second."""
    return is_number(value) and 0 < value <= 10_000
