"""JSON Lines, one image a line, with boxes in shares of the image's width and height.

    {"image_path": "a/1.jpg", "bounding_box_annotations": [{"annotation_label": "car", "x_min_normalized": 0.1,
     "y_min_normalized": 0.2, "x_max_normalized": 0.3, "y_max_normalized": 0.4, "track_id": 7}]}

Keys of a line: `image_path`, from the file's own folder, the tree's top or any folder of it, and
`bounding_box_annotations`; for the frames of a sequence `video_id` or `sequence` (text or a number), and at will
`frame` (a whole number), `timestamp` (seconds) and `fps`. Keys of a box: `annotation_label`, the four numbers above,
and at will `track_id` or `instance_id`, `iscrowd` and `ignore` (either makes it a box of the class `crowd`),
`confidence` and `visibility` (1 without). Of `image_path`, `bounding_box_annotations` and `annotation_label` the other
spelling in the plural or singular is taken too; where it holds a list of one path or one label, that is meant. All
other keys are ignored.

A line without `video_id` or `sequence` is a sequence of length one at 1 frame a second, called by its image's path
(`listed.still_name`). The frames of a sequence come in the order of `frame`, or else of `timestamp`, or else of the
lines. Their rate is params.yaml's `fps`, or `fps` over the step of `frame`, or what the timestamps give.

A box may reach over the image's edge by up to the image's size, as MOTChallenge's do; what lies further out is an
error, for it is in pixels. The classes are those that any line shows, and `crowd`, numbered from 1 by their names.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import Entry, Incoming, Listing, add_entries, text_of
from stages.formats.listed import (
    CROWD,
    ImagePaths,
    annotation_files,
    identities,
    is_number,
    is_rate,
    path_below,
    sequence_name,
    step_between,
    still_name,
)
from stages.params import JsonlSource
from stages.sequences.annotations import CLASS, ID
from stages.transport.fetch import is_safe
from stages.transport.tree import Tree

_SIDES = ("x_min_normalized", "y_min_normalized", "x_max_normalized", "y_max_normalized")
_MARGIN = 1.0  # how far a box may reach over an image's edge, in the image's own size


class _Box(NamedTuple):
    """One box: left, top, width, height, confidence and visibility; its label, its identity and its place."""

    values: tuple[float, ...]
    label: str
    identity: object
    place: str


@dataclass(frozen=True)
class _Line:
    """One line: its place, the image's path, its sequence and where in it, and the boxes."""

    place: str
    image: str
    sequence: str | None
    frame: int | None
    timestamp: float | None
    fps: float | None
    boxes: list[_Box]


def find(tree: Tree, source: JsonlSource) -> Listing:
    """The images and sequences that the JSONL files in ``tree`` describe; see `incoming`. Raises `InputError`."""
    paths, files = ImagePaths(tree), annotation_files(tree, source, (".jsonl",))
    tree.fetch(files)
    lines = {path: _lines(tree, path, split, paths, source) for path, split in files.items()}
    names = {box.label for found in lines.values() for line in found for box in line.boxes} | {CROWD}
    numbers = {name: number for number, name in enumerate(sorted(names), 1)}
    entries: dict[str, Entry] = {}
    for path, split in files.items():
        found = []
        for name, members in _grouped(lines[path]).items():
            read = partial(_read, tree.where(path), name, members, numbers, paths, source)
            found.append((name, Entry(read, split), members[0].place))
        add_entries(entries, found)
    if not entries:
        raise InputError(tree.shown, "no line in its JSONL files", "correct `path`, or set `annotations`")
    return Listing(dict(sorted(entries.items())), {number: name for name, number in numbers.items()})


def _grouped(lines: list[_Line]) -> dict[str, list[_Line]]:
    """The lines of every sequence; a line of no sequence is one by itself."""
    groups: dict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        name = still_name(line.image) if line.sequence is None else sequence_name(line.sequence)
        if line.sequence is None and name in groups:
            raise InputError(line.place, f"a second image or sequence named {name}", "rename one of the two")
        groups[name].append(line)
    return groups


def _lines(tree: Tree, path: str, split: str | None, paths: ImagePaths, source: JsonlSource) -> list[_Line]:
    """All lines of a file, with the images' paths in the tree."""
    lines = []
    for number, text in enumerate(text_of(tree, path).splitlines(), 1):
        if text.strip():
            lines.append(_line(_object(text, f"{tree.where(path)}:{number}"), f"{tree.where(path)}:{number}"))
    if not lines:
        return []
    root = paths.root((line.image for line in lines), path, split, source.images)
    return [replace(line, image=path_below(root, line.image)) for line in lines]


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"broken JSON ({error.msg.lower()}, column {error.colno})"
        raise InputError(where, what, "every line is one whole object: correct it") from None
    except RecursionError:
        raise InputError(where, "broken JSON (nested too deep)", "correct it") from None
    if not isinstance(content, dict):
        raise InputError(where, "not an object", "every line is one object in braces")
    return content


def _line(content: dict[str, Any], where: str) -> _Line:
    image = _only(_either(content, "image_path", "image_paths"))
    if not isinstance(image, str) or not image or not is_safe(image):
        raise InputError(where, "`image_path` is no path within the data", "add or correct it")
    boxes = _either(content, "bounding_box_annotations", "bounding_box_annotation")
    boxes = [boxes] if isinstance(boxes, dict) else boxes or []
    if not isinstance(boxes, list):
        raise InputError(where, "`bounding_box_annotations` is no list", "give a list, empty where there is no box")
    sequence, frame, timestamp = (
        _either(content, "video_id", "sequence"),
        content.get("frame"),
        content.get("timestamp"),
    )
    if sequence is not None and (type(sequence) not in (str, int) or sequence == ""):
        raise InputError(where, f"the sequence is no text and no whole number: {sequence!r}", "correct it")
    if frame is not None and type(frame) is not int:
        raise InputError(where, f"`frame` is no whole number: {frame!r}", "correct it")
    if timestamp is not None and not is_number(timestamp):
        raise InputError(where, f"`timestamp` is no number: {timestamp!r}", "give seconds")
    if content.get("fps") is not None and not is_rate(content["fps"]):
        raise InputError(where, f"`fps` is no frame rate: {content['fps']!r}", "correct it")
    found = [_box(item, f"{where}: bounding_box_annotations[{index}]") for index, item in enumerate(boxes)]
    return _Line(where, image, None if sequence is None else str(sequence), frame, timestamp, content.get("fps"), found)


def _either(content: dict[str, Any], *keys: str) -> Any:
    """The value of the first key that is there."""
    return next((content[key] for key in keys if content.get(key) is not None), None)


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _box(item: Any, where: str) -> _Box:
    if not isinstance(item, dict):
        raise InputError(where, "not an object", "correct it")
    label = _only(_either(item, "annotation_label", "annotation_labels"))
    if not isinstance(label, str) or not label:
        raise InputError(where, "`annotation_label` is not one name", "add or correct it")
    confidence, visibility = item.get("confidence", 1), item.get("visibility", 1)
    if not is_number(confidence) or not is_number(visibility):
        raise InputError(where, "`confidence` or `visibility` is no number", "correct it")
    left, top, right, bottom = _sides(item, where)
    identity = _either(item, "track_id", "instance_id")
    if isinstance(identity, list | dict):
        raise InputError(where, "the track id is no number and no text", "correct it")
    values = (left, top, right - left, bottom - top, confidence, visibility)
    return _Box(values, CROWD if item.get("iscrowd") or item.get("ignore") else label, identity, where)


def _sides(item: dict[str, Any], where: str) -> list[float]:
    for key in _SIDES:
        if not is_number(item.get(key)):
            raise InputError(where, f"`{key}` is no number: {item.get(key)!r}", "add or correct it")
        if not -_MARGIN <= item[key] <= 1 + _MARGIN:
            raise InputError(
                where, f"`{key}` is {item[key]:g}, far outside 0 to 1", "give shares of the size, not pixels"
            )
    left, top, right, bottom = (item[key] for key in _SIDES)
    if right <= left or bottom <= top:
        raise InputError(where, "the box ends before it begins", "correct the order of its sides, or delete it")
    return [left, top, right, bottom]


def _read(
    where: str, name: str, lines: list[_Line], numbers: dict[str, int], paths: ImagePaths, source: JsonlSource
) -> Incoming:
    still = lines[0].sequence is None
    lines = lines if still else _in_order(lines)
    boxes = [(frame, box) for frame, line in enumerate(lines, 1) for box in line.boxes]
    rows = [(frame, 0, *box.values[:5], 0, box.values[5]) for frame, box in boxes]
    gt = np.array(rows, dtype=np.float64).reshape(-1, 9)
    gt[:, ID] = identities([box.identity for _, box in boxes])
    gt[:, CLASS] = [numbers[box.label] for _, box in boxes]
    return Incoming(
        name=name,
        fps=1.0 if still else _fps(name, lines, source),
        frames=paths.frames([line.image for line in lines], [line.place for line in lines]),
        gt=gt,
        at=lambda row: boxes[row][1].place,
        gt_file=where,
        normalised=True,
    )


def _in_order(lines: list[_Line]) -> list[_Line]:
    """By `frame`, or else by `timestamp`, where every line of the sequence has it; else as they stand."""
    for key in ("frame", "timestamp"):
        if all(getattr(line, key) is not None for line in lines):
            return sorted(lines, key=lambda line: getattr(line, key))
    return lines


def _fps(name: str, lines: list[_Line], source: JsonlSource) -> float:
    """The rate of the lines' frames, in frames a second; frames that are not evenly spaced are an error."""
    places, step = [line.place for line in lines], 1
    if all(line.frame is not None for line in lines):
        step = step_between([line.frame for line in lines], places)
    if source.fps is not None:
        return source.fps
    if lines[0].fps is not None:
        return float(lines[0].fps) / step
    if len(lines) == 1:
        return 1.0
    times = [line.timestamp for line in lines]
    if None in times:
        what = f"no frame rate for {name}: no `fps`, and not every line has a `timestamp`"
        raise InputError(places[0], what, "set the source's `fps` in params.yaml")
    steps = np.diff(times)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > usual / 2
    if usual <= 0 or odd.any():
        row = int(np.argmax(odd)) + 1
        what = f"{steps[row - 1]:g} s behind the frame before it, {usual:g} s is usual in {name}"
        raise InputError(places[row], what, "frames must be evenly spaced: add the missing ones, or cut the sequence")
    return float(f"{1 / usual:.6g}")
