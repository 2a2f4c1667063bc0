"""YOLO data sets: data.yaml, folders or lists of images, and a label file beside every image.

data.yaml (docs.ultralytics.com/datasets/detect): `names`, a list or numbers with names; `train`, `val` and `test`, each
a folder, a text file with an image a line, or a list of these, relative to `path` or to data.yaml. A `path` that is not
in the tree, as on another machine, is passed over; so is a leading `../`, which Roboflow writes.

`images/a.jpg` has its labels in `labels/a.txt` (the last `images` in the path; without one, beside the image): lines of
class, centre x, centre y, width, height in shares of the image's size, and at will a track id. The same file under
`tracks/` is read first, if there is one: trainers want five columns (`stages.export` writes both). No file: no boxes.

Every image is a sequence of length one at 1 frame a second, called by its path (`listed.still_name`). With `sequences:
true` in params.yaml every folder of images is a sequence, called as the folder, its frames in the order of the numbers
that their names end in; its rate is params.yaml's `fps`, or `fps` in data.yaml: a number, or one for each folder.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.formats.incoming import Entry, Incoming, Listing, above, add_entries, text_of, top_name
from stages.formats.listed import ImagePaths, identities, is_rate, sequence_name, step_between, still_name
from stages.formats.table import read_table
from stages.params import SPLITS, YoloSource
from stages.sequences.annotations import ID
from stages.transport.tree import Tree, join

_LABELS, _TRACKS = "labels", "tracks"
_ROUNDING = 0.01  # how far outside 0 ... 1 Ultralytics takes a number


@dataclass(frozen=True)
class _Data:
    """data.yaml: its path in the tree, its place for messages, its content, and the classes' names."""

    path: str
    where: str
    content: dict[str, Any]
    names: dict[int, str]


@dataclass(frozen=True)
class _Images:
    """All that reading one needs: ``places`` say where an image is listed."""

    tree: Tree
    paths: ImagePaths
    data: _Data
    places: dict[str, str]


def find(tree: Tree, source: YoloSource) -> Listing:
    """The images of the data set in ``tree``, or its folders of them; see `incoming`. Raises `InputError`."""
    data, paths = _data(tree, source), ImagePaths(tree)
    splits, places = _splits(tree, data, paths)
    tree.fetch(label for path in splits if (label := _label_file(paths, path)))
    images = _Images(tree, paths, data, places)
    entries: dict[str, Entry] = {}
    found = _sequences(images, splits, source) if source.sequences else _stills(images, splits)
    add_entries(entries, found)
    return Listing(dict(sorted(entries.items())), data.names)


def _data(tree: Tree, source: YoloSource) -> _Data:
    """The file that params.yaml names, or the one YAML file with `names`."""
    paths = [source.data] if source.data else [path for path in tree.files() if path.endswith((".yaml", ".yml"))]
    loaded = {path: _load(tree, path) for path in paths}
    found = {path: content for path, content in loaded.items() if source.data or "names" in content}
    if len(found) != 1:
        what = f"{len(found)} YAML files with `names` in it" if found else "no YAML file with `names` (data.yaml) in it"
        raise InputError(tree.shown, what, "name the file in the source's `data` in params.yaml")
    [(path, content)] = found.items()
    return _Data(path, tree.where(path), content, _names(tree.where(path), content))


def _load(tree: Tree, path: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(text_of(tree, path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{tree.where(path)}:{line}", f"not YAML ({error.problem})", "mend that line") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(tree.where(path), "not YAML", "fetch the file again") from None
    return content if isinstance(content, dict) else {}


def _names(where: str, content: dict[str, Any]) -> dict[int, str]:
    given = content.get("names")
    names = dict(enumerate(given)) if isinstance(given, list) else given
    if not isinstance(names, dict) or not names:
        raise InputError(f"{where}: names", "no names of classes", "list them, or number them: `0: person`")
    for number, name in names.items():
        if type(number) is not int or number < 0 or not isinstance(name, str) or not name:
            raise InputError(f"{where}: names", f"{number!r}: {name!r} is no number with a name", "correct it")
    if content.get("nc", len(names)) != len(names):
        raise InputError(f"{where}: nc", f"{content['nc']} classes, and {len(names)} names", "correct one of the two")
    return names


def _splits(tree: Tree, data: _Data, paths: ImagePaths) -> tuple[dict[str, str], dict[str, str]]:
    """The split of every image, and where the image is listed."""
    splits: dict[str, str] = {}
    places: dict[str, str] = {}
    for split in SPLITS:
        value = data.content.get(split)
        for given in value if isinstance(value, list) else [] if value is None else [value]:
            for path, place in _listed(tree, data, split, given, paths):
                if splits.setdefault(path, split) != split:
                    raise InputError(place, f"{path} stands in {splits[path]} and in {split}", "keep it in one")
                places[path] = place
    if not splits:
        raise InputError(data.where, "names no images (train, val, test)", "name folders or lists of images")
    return splits, places


def _listed(tree: Tree, data: _Data, split: str, given: Any, paths: ImagePaths) -> Iterator[tuple[str, str]]:
    """The images that one folder or list of ``split`` gives, each with the place that names it."""
    where = f"{data.where}: {split}"
    if not isinstance(given, str):
        raise InputError(where, f"no folder and no list of images: {given!r}", "correct it")
    for place in _candidates(data, given):
        if place in paths:
            yield from _lines(tree, data, place, paths)
            return
        if images := paths.under(place):
            yield from ((path, where) for path in images)
            return
    raise InputError(where, f"no images at {given}", "correct it, put the images there, or take the split out")


def _candidates(data: _Data, given: str) -> Iterator[str]:
    """Where in the tree ``given`` may lie."""
    folder, root = above(data.path), str(data.content.get("path") or "")
    for base in (join(folder, root), folder):
        for path in (given, re.sub(r"^(\.\./)+", "", given)):
            found = posixpath.normpath(f"{base}/{path}" if base else path)
            if not found.startswith(("..", "/")):
                yield "" if found == "." else found


def _lines(tree: Tree, data: _Data, path: str, paths: ImagePaths) -> Iterator[tuple[str, str]]:
    """The images of a list: `./` is the list's own folder; else they are looked for as folders are."""
    for number, line in enumerate(text_of(tree, path).splitlines(), 1):
        given, place = line.strip(), f"{tree.where(path)}:{number}"
        if not given:
            continue
        beside = posixpath.normpath(join(above(path), given))
        found = next((one for one in (beside, *_candidates(data, given)) if one in paths), None)
        if found is None:
            raise InputError(place, f"no image {given}", "put it there, or take the line out")
        yield found, place


def _stills(images: _Images, splits: dict[str, str]) -> Iterator[tuple[str, Entry, str]]:
    for path, split in splits.items():
        name = still_name(path)
        yield name, Entry(partial(_incoming, images, name, 1.0, [path]), split), images.tree.where(path)


def _sequences(images: _Images, splits: dict[str, str], source: YoloSource) -> Iterator[tuple[str, Entry, str]]:
    """Every folder of images; one that two splits share is in none of them."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in splits:
        folders[above(path)].append(path)
    for folder, members in folders.items():
        where, shared = images.tree.where(folder), {splits[path] for path in members}
        if len(shared) > 1:
            raise InputError(where, f"a sequence in {' and '.join(sorted(shared))}", "keep it in one split")
        name = sequence_name(PurePosixPath(folder or top_name(images.tree, members[0])).name)
        yield name, Entry(partial(_read_sequence, images, name, members, source), shared.pop()), where


def _read_sequence(images: _Images, name: str, members: list[str], source: YoloSource) -> Incoming:
    places = {path: images.tree.where(path) for path in members}
    numbers = {path: re.search(r"\d+$", PurePosixPath(path).stem) for path in members}
    for path, number in numbers.items():
        if number is None:
            raise InputError(places[path], "the name holds no frame number", "name frames 000001, 000002, ...")
    ordered = sorted(members, key=lambda path: int(numbers[path][0]))
    step = step_between([int(numbers[path][0]) for path in ordered], [places[path] for path in ordered])
    return _incoming(images, name, _fps(images.data, name, source, step), ordered)


def _fps(data: _Data, name: str, source: YoloSource, step: int) -> float:
    if source.fps is not None:
        return source.fps
    given = data.content.get("fps")
    rate = given.get(name) if isinstance(given, dict) else given
    if not is_rate(rate):
        what = f"no frame rate for {name}" if rate is None else f"{rate!r} is no frame rate"
        raise InputError(f"{data.where}: fps", what, "set the source's `fps` in params.yaml")
    return rate / step


def _incoming(images: _Images, name: str, fps: float, members: list[str]) -> Incoming:
    """The images ``members`` as frames 1, 2, ..."""
    frames = images.paths.frames(members, [images.places[path] for path in members])
    labels = [(number, file) for number, path in enumerate(members, 1) if (file := _label_file(images.paths, path))]
    rows, ids, places = [], [], []
    for number, file in labels:
        for row, identity, place in _boxes(images, file):
            rows.append((number, *row))
            ids.append(identity)
            places.append(place)
    gt = np.array(rows, dtype=np.float64).reshape(-1, 9)
    gt[:, ID] = identities(ids)
    first = labels[0][1] if labels else members[0]
    return Incoming(
        name=name,
        fps=float(fps),
        frames=frames,
        gt=gt,
        at=places.__getitem__,
        gt_file=images.tree.where(first if len(members) == 1 else above(first)),
        normalised=True,
    )


def _label_file(paths: ImagePaths, image: str) -> str | None:
    """The file that holds an image's labels: with track ids, or else without; None where there is neither."""
    folders = above(image).split("/")
    last = max((place for place, part in enumerate(folders) if part == "images"), default=None)
    for kind in (_TRACKS, _LABELS):
        if last is not None:
            folders[last] = kind
        path = join(*folders, f"{PurePosixPath(image).stem}.txt")
        if path in paths:
            return path
    return None


def _boxes(images: _Images, path: str) -> Iterator[tuple[tuple[float, ...], int | None, str]]:
    """The lines of a label file: id 0, left, top, width, height, confidence, class, visibility; the id; the place."""
    table = read_table(images.tree, path, None, (5, 6))
    values = table.numbers(range(5))
    shares, names = values[:, 1:], images.data.names
    table.refuse((values[:, 0] % 1 != 0) | ~np.isin(values[:, 0], list(names)), _no_class(names), "correct the line")
    negative = (shares < (-_ROUNDING, -_ROUNDING, 0, 0)).any(axis=1)
    table.refuse(negative, "a negative number", "give shares of the image's size, from 0 to 1")
    table.refuse(
        (shares > 1 + _ROUNDING).any(axis=1), "a number above 1", "give shares of the image's size, not pixels"
    )
    for row, (number, x, y, width, height) in enumerate(values):
        place = table.at(row)
        box = (0, x - width / 2, y - height / 2, width, height, 1, number, 1)
        yield box, _track(table.fields[row], place), place


def _no_class(names: Iterable[int]) -> str:
    return f"no such class: data.yaml names {min(names)} to {max(names)}"


def _track(fields: list[str], where: str) -> int | None:
    if len(fields) == 5:
        return None
    if not re.fullmatch(r"\d{1,18}", fields[5]):
        remedy = "give a whole number; a confidence does not belong there"
        raise InputError(where, f"the sixth column is no track id: {fields[5][:20]!r}", remedy)
    return int(fields[5])
