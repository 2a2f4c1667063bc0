"""A file of COCO's kind: its images and boxes as arrays, whichever of the layouts it has (`coco` describes them)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from stages.errors import InputError
from stages.formats.listed import is_number
from stages.transport.fetch import is_safe

_ID_KEYS, _FRAME_KEYS = ("track_id", "instance_id"), ("frame_id", "frame_index")


@dataclass(frozen=True)
class Document:
    """A file: its path in the tree, its place for messages, its split, and what it holds."""

    path: str
    where: str
    split: str | None
    content: dict[str, Any]

    def items(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects of a list, each with its place."""
        for index, item in enumerate(self.content[key]):
            place = f"{self.where}: {key}[{index}]"
            if not isinstance(item, dict):
                raise InputError(place, "should be an object", "fetch the file again")
            yield place, item

    @property
    def has_file_names(self) -> bool:
        """Whether it is YouTube-VIS's layout."""
        return "images" not in self.content


class Image(NamedTuple):
    """An image: its path as listed, its place in the file, claimed size, its video's id and its number there."""

    file_name: str
    place: str
    size: tuple[object, object]
    video: object = None
    number: int | None = None


class _Box(NamedTuple):
    """A box: its place in the file, the number of its image (from 0), its annotation, and left, top, width, height."""

    place: str
    image: int
    content: dict[str, Any]
    bbox: Any


@dataclass(frozen=True)
class Boxes:
    """All boxes of a file sorted by image, (N, 9) as `Incoming.gt`; image i has rows bounds[i] to bounds[i + 1]."""

    gt: np.ndarray
    ids: list[object]
    places: list[str]
    bounds: np.ndarray


def images_of(document: Document) -> tuple[list[Image], dict[object, int]]:
    """All images, and their numbers (from 0) by their ids; YouTube-VIS's are known by video and place in it."""
    images: list[Image] = []
    by_id: dict[object, int] = {}
    found = _listed_in_videos(document) if document.has_file_names else _listed(document)
    for key, image in found:
        if not isinstance(image.file_name, str) or not image.file_name or not is_safe(image.file_name):
            raise InputError(image.place, "`file_name` is no path within the data", "correct it")
        if by_id.setdefault(key, len(images)) != len(images):
            raise InputError(image.place, f"id {key!r} is that of another image", "give every image its own id")
        images.append(image)
    return images, by_id


def _listed(document: Document) -> Iterator[tuple[object, Image]]:
    for place, item in document.items("images"):
        if "id" not in item:
            raise InputError(place, "no `id`", "add it")
        size = item.get("width"), item.get("height")
        video = plain_key(item.get("video_id"), place, "video_id")
        number = next((item[key] for key in _FRAME_KEYS if item.get(key) is not None), None)
        if number is not None and type(number) is not int:
            raise InputError(place, f"the frame's number is none: {number!r}", "correct it")
        yield plain_key(item["id"], place, "id"), Image(item.get("file_name"), place, size, video, number)


def _listed_in_videos(document: Document) -> Iterator[tuple[object, Image]]:
    for place, video in document.items("videos"):
        files = video.get("file_names")
        if not isinstance(files, list) or "id" not in video:
            raise InputError(place, "no `id`, or no `file_names` and the file no `images`", "fetch the file again")
        key, size = plain_key(video["id"], place, "id"), (video.get("width"), video.get("height"))
        for index, file in enumerate(files):
            yield (key, index), Image(file, f"{place}.file_names[{index}]", size, key, index)


def plain_key(value: object, place: str, key: str) -> object:
    """``value``, which names an image, a video or a track; raises `InputError` for a list or an object."""
    if isinstance(value, list | dict):
        raise InputError(place, f"`{key}` is no number and no text", "correct it")
    return value


def _boxes(document: Document, by_id: dict[object, int]) -> Iterator[_Box]:
    """Every box of the file."""
    for place, item in document.items("annotations"):
        if not document.has_file_names:
            image = by_id.get(plain_key(item.get("image_id"), place, "image_id"))
            if image is None:
                raise InputError(place, f"no image {item.get('image_id')!r}", "correct its `image_id`, or delete it")
            yield _Box(place, image, item, item.get("bbox"))
        else:
            yield from _track(place, item, by_id)


def _track(place: str, item: dict[str, Any], by_id: dict[object, int]) -> Iterator[_Box]:
    """The boxes of one of YouTube-VIS's tracks."""
    video, bboxes = plain_key(item.get("video_id"), place, "video_id"), item.get("bboxes") or []
    if not isinstance(bboxes, list):
        raise InputError(place, "`bboxes` is no list", "give a box or null for every frame")
    track = item if any(key in item for key in _ID_KEYS) else {**item, "track_id": item.get("id")}
    for index, bbox in enumerate(bboxes):
        if bbox is None:
            continue
        if (video, index) not in by_id:
            what = f"no video {video!r} with {index + 1} frames"
            raise InputError(place, what, "correct its `video_id`, or its `bboxes`")
        yield _Box(f"{place}.bboxes[{index}]", by_id[video, index], track, bbox)


def boxes_of(document: Document, by_id: dict[object, int], count: int, labels: dict[int, str], crowd: int) -> Boxes:
    """All boxes of a file, sorted by image and else in the file's order."""
    rows, ids, places, images, flat = [], [], [], [], []
    for box in _boxes(document, by_id):
        left, top, width, height = _checked(box)
        if width == 0 or height == 0:
            flat.append(box.place)
            continue
        rows.append((1, 0, left, top, width, height, *_marks(box, labels, crowd)))
        ids.append(next((_identity(box, key) for key in _ID_KEYS if box.content.get(key) is not None), None))
        places.append(box.place)
        images.append(box.image)
    if flat:
        what = f"{len(flat)} boxes without width or height left out, the first at"
        print(f"warning: {document.where}: {what} {flat[0].removeprefix(f'{document.where}: ')}", file=sys.stderr)
    order = np.argsort(images, kind="stable")
    bounds = np.searchsorted(np.array(images, dtype=np.int64)[order], np.arange(count + 1))
    gt = np.array(rows, dtype=np.float64).reshape(-1, 9)[order]
    return Boxes(gt, [ids[row] for row in order], [places[row] for row in order], bounds)


def _checked(box: _Box) -> list[float]:
    if not isinstance(box.bbox, list) or len(box.bbox) != 4 or not all(map(is_number, box.bbox)):
        raise InputError(box.place, "`bbox` is not four numbers", "give [left, top, width, height] in pixels")
    if box.bbox[2] < 0 or box.bbox[3] < 0:
        raise InputError(box.place, f"negative width or height: {box.bbox}", "give [left, top, width, height]")
    return box.bbox


def _marks(box: _Box, labels: dict[int, str], crowd: int) -> tuple[float, int, float]:
    """Confidence, class and visibility."""
    item = box.content
    category, confidence, visibility = item.get("category_id"), item.get("mot_conf", 1), item.get("visibility", 1)
    if type(category) is not int or category not in labels:
        raise InputError(box.place, f"no category {category!r}", "correct its `category_id`, or add the category")
    if not is_number(confidence) or not is_number(visibility):
        raise InputError(box.place, "`mot_conf` or `visibility` is no number", "correct it")
    return confidence, crowd if item.get("iscrowd") or item.get("ignore") else category, visibility


def _identity(box: _Box, key: str) -> object:
    return plain_key(box.content[key], box.place, key)
