"""BDD100K MOT 2020: labels in Scalabel's JSON, `images/track/SPLIT/VIDEO/VIDEO-0000001.jpg`... for frames.

A label file holds the frames of one video (`labels/box_track_20/SPLIT/VIDEO.json`) or of many, as a list or under
`frames`: `name`, `videoName`, `labels: [{id, category, attributes, box2d: {x1, y1, x2, y2}}]`; doc.scalabel.ai and
the benchmark's page (bdd-data.berkeley.edu/wad-2020.html) define it. A frame's number is the one that its name ends
in. Ids are text: 1, 2, ... in their alphabetical order within a video. Annotated at 5 frames a second.

Scalabel's x2 and y2 are the last pixels inside a box: its own conversions and scores take x2 - x1 + 1 as the width,
and so is it here. (Boxes are drawn with x2 up to the frame's own width, so a box may reach one pixel over the edge.)

A box of any category with the attribute `crowd` is of the class `crowd`: the evaluation forgives what lies in it, and
in a box of `other person`, `other vehicle` and `trailer`. `occluded` is yes or no: visibility stays 1.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from stages.errors import InputError
from stages.formats.frames import IMAGES, has_suffix, image_frames
from stages.formats.incoming import Claim, Entry, Incoming, Listing, above, add_entry, json_of, own_split
from stages.formats.items import checked, item, number
from stages.params import Bdd100kSource
from stages.transport.tree import Tree

_BOX_LABELS = re.compile(r"(^|/)[^/]*box[-_]track[^/]*(/|$)")  # a tree may hold the labels of other tasks too
_CROWD = "crowd"


class _Frame(NamedTuple):
    """One frame's object, and its place in the file."""

    index: int
    where: str
    content: dict[str, Any]


class _Box(NamedTuple):
    """One label: its places in the file, its frame from 1, its id as written, its box in pixels and its class."""

    places: tuple[int, int]  # among the file's frames, and the frame's labels
    frame: int
    identity: str
    ltwh: tuple[float, float, float, float]
    label: int


def find(tree: Tree, source: Bdd100kSource) -> Listing:
    """The videos that the label files in ``tree`` describe; see `incoming`. Raises `InputError`.

    A file that is named like a folder of images is that video's, and is read when the video is.
    """
    entries: dict[str, Entry] = {}
    folders = _image_folders(tree)
    for path in _label_files(tree):
        stem = PurePosixPath(path).stem
        if stem in folders:
            videos = {stem: partial(_one_video, tree, path, stem)}
        else:
            videos = {video: frames.copy for video, frames in _by_video(tree, path).items()}
        for video, frames in videos.items():
            places = folders.get(video, [])
            split = own_split(tree, path) or own_split(tree, places[0] if places else path)
            entry = Entry(partial(_read, tree, path, video, frames, places, source), split)
            add_entry(entries, video, entry, tree.where(path))
    if not entries:
        raise InputError(tree.shown, "no sequence in it: no JSON file with labels", "correct `path`")
    return Listing(dict(sorted(entries.items())), dict(source.known_labels))


def _label_files(tree: Tree) -> list[str]:
    found = [path for path in tree.files() if path.lower().endswith(".json")]
    return [path for path in found if _BOX_LABELS.search(path)] or found


def _image_folders(tree: Tree) -> dict[str, list[str]]:
    """The folders that hold images, by their own names."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in dict.fromkeys(above(path) for path in tree.files() if has_suffix(path.rpartition("/")[2], IMAGES)):
        found[folder.rpartition("/")[2]].append(folder)
    return found


def _one_video(tree: Tree, path: str, video: str) -> list[_Frame]:
    """The frames of a file that is named like its one video."""
    found = _by_video(tree, path, video)
    for other, frames in found.items():
        if other != video:
            raise InputError(frames[0].where, f"a frame of {other} in the file of {video}", "rename the file")
    return found.get(video, [])


def _by_video(tree: Tree, path: str, default: str = "") -> dict[str, list[_Frame]]:
    """A label file's frames, video by video; ``default`` is the video of frames that name none."""
    content, where = json_of(tree, path), tree.where(path)
    frames = checked(content.get("frames") if isinstance(content, dict) else content, list, f"{where}: frames")
    found: dict[str, list[_Frame]] = defaultdict(list)
    for index, frame in enumerate(frames):
        place = f"{where}: frames[{index}]"
        named = checked(frame, dict, place).get("videoName") or frame.get("video_name") or default
        video = checked(named, str, f"{place}.videoName") if named else item(frame, "videoName", str, place)
        found[video].append(_Frame(index, place, frame))
    return dict(found)


def _read(
    tree: Tree, path: str, video: str, frames: Callable[[], list[_Frame]], folders: list[str], source: Bdd100kSource
) -> Incoming:
    annotated, file = frames(), tree.where(path)
    boxes = [box for frame in annotated for box in _boxes(frame, source.known_labels)]
    identities = {text: place for place, text in enumerate(sorted({box.identity for box in boxes}), start=1)}
    places = np.array([box.places for box in boxes], dtype=np.int32)
    rows = [(box.frame, identities[box.identity], *box.ltwh, 1, box.label, 1) for box in boxes]
    return Incoming(
        name=video,
        fps=source.fps,
        frames=image_frames(tree, _folder(tree, video, folders, file)),
        gt=np.array(rows, dtype=np.float64).reshape(-1, 9),
        at=lambda row: f"{file}: frames[{places[row, 0]}].labels[{places[row, 1]}]",
        gt_file=file,
        claims=_claims(annotated),
    )


def _folder(tree: Tree, video: str, folders: list[str], file: str) -> str:
    """The folder of the video's images: the tracking set's, where other sets have one of that name too."""
    chosen = [folder for folder in folders if "/track/" in f"/{folder}/"] if len(folders) > 1 else folders
    if len(chosen) == 1:
        return chosen[0]
    what = f"{len(folders)} folders of images named {video}" if folders else f"no folder of images named {video}"
    raise InputError(file, what, "let `path` list the images of the tracking set, once, beside the labels")


def _boxes(frame: _Frame, labels: Mapping[int, str]) -> Iterator[_Box]:
    """One frame's boxes; raises `InputError`."""
    numbers = {name: native for native, name in labels.items()}
    name = item(frame.content, "name", str, frame.where)
    digits = re.search(r"\d+$", PurePosixPath(name).stem)
    if not digits:
        raise InputError(f"{frame.where}.name", f"{name[:60]!r} holds no frame number", "name it as its image")
    if frame.content.get("labels") is None:
        return
    for index, label in enumerate(item(frame.content, "labels", list, frame.where)):
        where = f"{frame.where}.labels[{index}]"
        category = item(label, "category", str, where)
        if category not in numbers:
            raise InputError(where, f"no such category {category[:40]!r}", f"BDD100K's are {', '.join(numbers)}")
        native = numbers[_CROWD if _is_crowd(label, where) else category]
        yield _Box((frame.index, index), int(digits[0]), _identity(label, where), _ltwh(label, where), native)


def _is_crowd(label: dict[str, Any], where: str) -> bool:
    """Whether the attribute `crowd` is set; the first release wrote it `Crowd`."""
    attributes = checked(label.get("attributes") or {}, dict, f"{where}.attributes")
    return any(attributes.get(key) is True for key in (_CROWD, _CROWD.title()))


def _identity(label: dict[str, Any], where: str) -> str:
    value = label.get("id")
    return str(value) if isinstance(value, int) else item(label, "id", str, where)


def _ltwh(label: dict[str, Any], where: str) -> tuple[float, float, float, float]:
    """Left, top, width, height in pixels; x2 and y2 belong to the box."""
    box, where = item(label, "box2d", dict, where), f"{where}.box2d"
    x1, y1, x2, y2 = (number(box, key, where) for key in ("x1", "y1", "x2", "y2"))
    if x2 < x1 or y2 < y1:
        raise InputError(where, "ends before it begins", "correct or delete the box")
    return x1, y1, x2 - x1 + 1, y2 - y1 + 1


def _claims(frames: list[_Frame]) -> tuple[Claim, ...]:
    """The frame size, which Scalabel may state with a frame."""
    for frame in frames:
        if size := frame.content.get("size"):
            found = {key: number(size, key, f"{frame.where}.size") for key in ("width", "height")}
            return tuple(Claim(frame.where, f"size.{key}", f"{value:g}", key) for key, value in found.items())
    return ()
