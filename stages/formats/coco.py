"""COCO detection JSON and COCO-Video JSON, told apart by whether the file holds `videos` that its images belong to.

COCO (cocodataset.org/#format-data): `images: [{id, file_name, width, height}]`, `categories: [{id, name}]` and
`annotations: [{image_id, category_id, bbox: [left, top, width, height], iscrowd}]`. Every image is a sequence of length
one at 1 frame a second, called by its path (`listed.still_name`).

COCO-Video: beside these `videos: [{id, name, fps}]`; an image has a `video_id` and a number, `frame_id` (MMTracking's
CocoVID) or `frame_index` (TAO); an annotation has an identity, `track_id` or `instance_id`. YouTube-VIS has no images:
a video lists its `file_names`, and an annotation is a track of one video with a box or null per frame in `bboxes`. The
frame rate is the video's over the step of its images' numbers, or what params.yaml gives for the images as they are.

An annotation with `iscrowd` or `ignore` is of the class `crowd`, whatever its category. MMTracking's `visibility` and
`mot_conf` are kept where they are; else both are 1. Boxes without width or height, of which COCO has some, are left out
with a warning. Other keys, masks too, are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from stages.errors import InputError
from stages.formats.coco_json import Document, Image, boxes_of, images_of, plain_key
from stages.formats.incoming import Claim, Entry, Incoming, Listing, add_entries, json_of
from stages.formats.listed import (
    CROWD,
    ImagePaths,
    annotation_files,
    identities,
    is_rate,
    path_below,
    sequence_name,
    step_between,
    still_name,
)
from stages.params import CocoSource
from stages.sequences.annotations import FRAME
from stages.transport.tree import Tree


def find(tree: Tree, source: CocoSource) -> Listing:
    """The images or videos that the JSON files in ``tree`` describe; see `incoming`. Raises `InputError`."""
    documents = list(_documents(tree, source))
    labels, paths = _labels(documents), ImagePaths(tree)
    crowd = next((number for number, name in labels.items() if name == CROWD), max(labels, default=0) + 1)
    entries: dict[str, Entry] = {}
    for document in documents:
        found = list(_File(document, source, labels, crowd, paths).entries())
        for name, _, place in found:
            if name in entries:  # as instances_val2017.json and person_keypoints_val2017.json have it
                remedy = "name the files to read in the source's `annotations`"
                raise InputError(place, f"{name} is in another file of the source too", remedy)
        add_entries(entries, found)
    if not entries:
        raise InputError(tree.shown, "no images in its JSON files", "correct `path`, or set `annotations`")
    return Listing(dict(sorted(entries.items())), labels | {crowd: CROWD})


def _documents(tree: Tree, source: CocoSource) -> Iterator[Document]:
    """The files named in params.yaml, or else all that hold annotations of images, or of videos, with categories."""
    files = annotation_files(tree, source, (".json",))
    tree.fetch(files)
    found = False
    for path, split in files.items():
        content = json_of(tree, path)
        lists = {key for key, value in content.items() if isinstance(value, list)} if isinstance(content, dict) else ()
        if {"annotations", "categories"} <= set(lists) and ("images" in lists or "videos" in lists):
            found = True
            yield Document(path, tree.where(path), split, content)
        elif source.annotations is not None:
            remedy = "name another file in the source's `annotations`"
            raise InputError(tree.where(path), "no lists `images`, `annotations` and `categories`", remedy)
    if not found:
        raise InputError(tree.shown, "no JSON file with `images`, `annotations` and `categories`", "correct `path`")


def _labels(documents: list[Document]) -> dict[int, str]:
    """The categories' names by number, which all files must agree on."""
    labels: dict[int, str] = {}
    for document in documents:
        for place, category in document.items("categories"):
            number, name = category.get("id"), category.get("name")
            if type(number) is not int or not isinstance(name, str) or not name:
                raise InputError(place, "no whole `id` or no `name`", "add them")
            if labels.setdefault(number, name) != name:
                what = f"category {number} is `{name}` here and `{labels[number]}` before"
                raise InputError(place, what, "correct one, or make two sources of them")
    return dict(sorted(labels.items()))


class _File:
    """One file's sequences."""

    def __init__(self, document: Document, source: CocoSource, labels: dict[int, str], crowd: int, paths: ImagePaths):
        self._document, self._source, self._paths = document, source, paths
        self._images, self._by_id = images_of(document)
        names = (image.file_name for image in self._images)
        self._root = paths.root(names, document.path, document.split, source.images) if self._images else ""
        self._boxes = boxes_of(document, self._by_id, len(self._images), labels, crowd)

    def entries(self) -> Iterator[tuple[str, Entry, str]]:
        """Every image's, or every video's, with its name and place."""
        if not self._document.content.get("videos"):
            for number, image in enumerate(self._images):
                name = still_name(self._path(image))
                yield name, Entry(partial(self._incoming, name, 1.0, [number]), self._document.split), image.place
            return
        numbers = self._numbers_by_video()
        for place, video in self._document.items("videos"):
            if numbers[video["id"]]:
                name = self._name(video, numbers[video["id"]][0])
                read = partial(self._read_video, name, place, video, numbers[video["id"]])
                yield name, Entry(read, self._document.split), place

    def _path(self, image: Image) -> str:
        return path_below(self._root, image.file_name)

    def _name(self, video: dict[str, Any], first: int) -> str:
        """The video's own name, or that of the folder that its frames lie in."""
        given = video.get("name") or video.get("file_name")
        folder = self._images[first].file_name.rpartition("/")[0]
        return sequence_name(str(given or folder or f"video-{video['id']}"))

    def _numbers_by_video(self) -> dict[object, list[int]]:
        """The numbers (from 0) of every video's images, in the order of the file."""
        numbers: dict[object, list[int]] = {}
        for place, video in self._document.items("videos"):
            if "id" not in video or plain_key(video["id"], place, "id") in numbers:
                raise InputError(place, "no `id`, or that of another video", "correct it")
            numbers[video["id"]] = []
        for number, image in enumerate(self._images):
            if image.video not in numbers:
                raise InputError(image.place, f"no video {image.video!r}", "correct its `video_id`")
            numbers[image.video].append(number)
        return numbers

    def _read_video(self, name: str, place: str, video: dict[str, Any], numbers: list[int]) -> Incoming:
        step = 1
        if all(self._images[number].number is not None for number in numbers):
            numbers = sorted(numbers, key=lambda number: self._images[number].number)
            images = [self._images[number] for number in numbers]
            step = step_between([image.number for image in images], [image.place for image in images])
        return self._incoming(name, self._fps(place, video, step, len(numbers)), numbers)

    def _fps(self, place: str, video: dict[str, Any], step: int, count: int) -> float:
        if self._source.fps is not None:
            return self._source.fps
        if video.get("fps") is None and count == 1:
            return 1.0
        if not is_rate(video.get("fps")):
            raise InputError(place, "no frame rate (`fps`)", "set the source's `fps` in params.yaml")
        return video["fps"] / step

    def _incoming(self, name: str, fps: float, numbers: list[int]) -> Incoming:
        """The images ``numbers`` (from 0), in this order, as frames 1, 2, ..."""
        boxes, images = self._boxes, [self._images[number] for number in numbers]
        chosen = [np.arange(boxes.bounds[number], boxes.bounds[number + 1]) for number in numbers]
        rows = np.concatenate(chosen)
        gt = boxes.gt[rows]
        gt[:, FRAME] = np.repeat(np.arange(1, len(numbers) + 1), [len(each) for each in chosen])
        gt[:, 1] = identities([boxes.ids[row] for row in rows])
        sizes = zip(("width", "height"), images[0].size, strict=True)
        return Incoming(
            name=name,
            fps=float(fps),
            frames=self._paths.frames([self._path(image) for image in images], [image.place for image in images]),
            gt=gt,
            at=lambda row: boxes.places[rows[row]],
            gt_file=self._document.where,
            claims=tuple(Claim(images[0].place, key, str(value), key) for key, value in sizes if value is not None),
        )
