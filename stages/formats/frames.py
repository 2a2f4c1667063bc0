"""The frames of a sequence that comes in: image files, or one video file. Every frame that is taken is checked."""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from stages.errors import InputError
from stages.transport.tree import Tree, join

IMAGES = (".jpg", ".jpeg", ".png")
VIDEOS = (".avi", ".mp4", ".mkv", ".mov")
_QUALITY = 95  # of the JPEGs that a video becomes
_WORKERS, _AHEAD = 4, 16  # decoding releases the interpreter; at most _AHEAD frames are held
_ROTATION = 0x0112  # EXIF's tag
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}  # what a whole file ends in

A, B = TypeVar("A"), TypeVar("B")


class Frames(ABC):
    """A sequence's frames, numbered from 1. Nothing is read before it is asked for."""

    extension: str  # of the image files that `encoded` yields

    @property
    @abstractmethod
    def count(self) -> int:
        """How many frames there are."""

    @abstractmethod
    def paths(self, numbers: range) -> list[str]:
        """The files of the tree that hold the frames ``numbers``."""

    @abstractmethod
    def size(self, number: int) -> tuple[int, int]:
        """Width and height of one frame in pixels; raises `InputError`."""

    @abstractmethod
    def encoded(self, numbers: range) -> Iterator[bytes]:
        """The frames ``numbers`` as image files, each checked, all of one size; raises `InputError` naming the file."""

    def decode(self, number: int, size: tuple[int, int]) -> bytes:
        """One frame as an image file that was decoded to its last pixel, which `encoded` does not do.

        Raises `InputError`: a `DamagedImage` where the frame only passes for whole.
        """
        [content] = self.encoded(range(number, number + 1))
        return _decoded(_checked(content, f"frame {number}", size)[0], f"frame {number}")


def open_frames(tree: Tree, folder: str, image_folder: str) -> Frames:
    """The images in ``image_folder`` of the sequence ``folder``, or else the one video file in ``folder``."""
    images = join(folder, image_folder)
    names = [name for name in tree.names(images) if has_suffix(name, IMAGES)]
    if names:
        return ImageFrames(tree, numbered(tree, images, names))
    videos = [name for name in tree.names(folder) if has_suffix(name, VIDEOS)]
    if len(videos) == 1:
        return VideoFrames(tree, join(folder, videos[0]))
    what = f"{len(videos)} videos, and no images in {image_folder}/" if videos else f"no images in {image_folder}/"
    raise InputError(tree.where(folder), what, "put frames there, or one video file beside gt/")


def image_frames(tree: Tree, folder: str, first: int = 1) -> ImageFrames:
    """The images in ``folder``, whose names count from ``first``; raises `InputError`."""
    names = [name for name in tree.names(folder) if has_suffix(name, IMAGES)]
    if not names:
        raise InputError(tree.where(folder), "no images in it", "put the frames there, or leave the sequence out")
    return ImageFrames(tree, numbered(tree, folder, names, first))


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of ``suffixes``, in any case, and is not hidden."""
    return name.lower().endswith(suffixes) and not name.startswith(".")


class ImageFrames(Frames):
    """Image files in the order of ``paths``; their bytes are passed on as they are."""

    def __init__(self, tree: Tree, paths: list[str]):
        self._tree, self._paths = tree, paths
        self.extension = PurePosixPath(paths[0]).suffix.lower()

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._paths)

    def paths(self, numbers: range) -> list[str]:
        """One file a frame, see `Frames`."""
        return [self._paths[number - 1] for number in numbers]

    def size(self, number: int) -> tuple[int, int]:
        """A file's size in pixels, see `Frames`."""
        path = self._paths[number - 1]
        return _checked(self._tree.read(path), self._tree.where(path), None)[1]

    def encoded(self, numbers: range) -> Iterator[bytes]:
        """The files' own bytes, see `Frames`."""
        size = self.size(numbers[0])
        return (self._frame(number, size) for number in numbers)  # threads would cost more than they bring

    def decode(self, number: int, size: tuple[int, int]) -> bytes:
        """A file's own bytes, see `Frames`."""
        path = self._paths[number - 1]
        return _decoded(_checked(self._tree.read(path), self._tree.where(path), size)[0], self._tree.where(path))

    def _frame(self, number: int, size: tuple[int, int]) -> bytes:
        path = self._paths[number - 1]
        return _checked(self._tree.read(path), self._tree.where(path), size)[0]


def numbered(tree: Tree, folder: str, names: list[str], first: int = 1) -> list[str]:
    """The files' paths in the order of the numbers that their names end in: ``first``, one more, ..., one suffix."""
    by_number: dict[int, str] = {}
    suffix = PurePosixPath(names[0]).suffix.lower()
    for name in names:
        where = tree.where(join(folder, name))
        digits = re.search(r"\d+$", PurePosixPath(name).stem)
        if not digits:
            raise InputError(where, "the name holds no frame number", "name frames 000001, 000002, ...")
        if PurePosixPath(name).suffix.lower() != suffix:
            raise InputError(where, f"not {suffix} as the frames before it", "keep to one image format in a sequence")
        if by_number.setdefault(int(digits[0]), name) != name:
            raise InputError(where, f"frame {int(digits[0])} stands twice", "delete one of the two")
    wanted = range(first, first + len(names))
    for number in wanted:
        if number not in by_number:
            what = f"frame {number} is missing; frames reach {max(by_number)}"
            raise InputError(tree.where(folder), what, f"fetch it again; frames count from {first} without gaps")
    return [join(folder, by_number[number]) for number in wanted]


def _checked(content: bytes, where: str, size: tuple[int, int] | None) -> tuple[bytes, tuple[int, int]]:
    """``content`` and its size in pixels, once it is whole to its end and has the sequence's ``size``.

    Decoding every frame would take a hundred times as long as copying it; `stages.inspect` does.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            rotation = image.getexif().get(_ROTATION, 1)
            found = image.size
            if not content.endswith(_END[image.format]):  # cut off, or with something behind its end
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(where, "truncated or no image", "fetch the file again") from None
    if size is not None and found != size:
        what = f"{found[0]}x{found[1]} pixels, the sequence has {size[0]}x{size[1]}"
        raise InputError(where, what, "keep to one size in a sequence")
    if rotation != 1:
        raise InputError(where, "turned by an EXIF tag, which boxes do not follow", "turn the pixels, drop the tag")
    return content, found


class DamagedImage(InputError):
    """An image that has a header, a size and an end, and between them less than it should."""


def _decoded(content: bytes, where: str) -> bytes:
    """``content``, an image that `_checked` let pass, once it is decoded; raises `DamagedImage`.

    libjpeg, and with it Pillow and OpenCV, makes up grey for the data that a JPEG lacks and goes on; FFmpeg, asked to
    be strict, does not.
    """
    import av
    from PIL import Image

    try:
        if content[:2] == b"\xff\xd8":
            codec = av.CodecContext.create("mjpeg", "r")
            codec.options, codec.thread_count = {"err_detect": "explode"}, 1
            codec.decode(av.Packet(content))
        else:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
    except (av.error.InvalidDataError, OSError, SyntaxError, ValueError):
        raise DamagedImage(where, "damaged: the image holds too little for its size", "fetch the file again") from None
    return content


class VideoFrames(Frames):
    """One video file; its first frame is frame 1. Frames become JPEGs. It is decoded once only to be checked."""

    extension = ".jpg"

    def __init__(self, tree: Tree, path: str):
        self._tree, self._path = tree, path

    @cached_property
    def _checked(self) -> tuple[int, tuple[int, int]]:
        sizes = [(image.width, image.height) for image in self._decoded()]
        if not sizes:
            raise InputError(self._tree.where(self._path), "no frame can be decoded", "fetch the video again")
        if len(set(sizes)) > 1:
            raise InputError(self._tree.where(self._path), "the frame size changes", "cut the video into sequences")
        return len(sizes), sizes[0]

    @property
    def count(self) -> int:
        """How many frames can be decoded."""
        return self._checked[0]

    def paths(self, numbers: range) -> list[str]:
        """The video, see `Frames`."""
        return [self._path]

    def size(self, number: int) -> tuple[int, int]:
        """The video's size in pixels, see `Frames`."""
        return self._checked[1]

    @property
    def fps(self) -> float | None:
        """The frame rate that the container states, in frames a second; None where it states none."""
        with self._stream() as stream:
            rate = stream.average_rate or stream.guessed_rate
        return float(rate) if rate else None

    def _decoded(self) -> Iterator:
        """PyAV's frames, first to last."""
        with self._stream() as stream:
            stream.thread_type = "AUTO"
            yield from stream.container.decode(stream)

    @contextmanager
    def _stream(self) -> Iterator:
        """The container's first video stream, open."""
        import av

        with self._tree.open(self._path) as file:
            try:
                with av.open(file) as container:
                    yield container.streams.video[0]
            except (av.error.FFmpegError, IndexError):
                raise InputError(self._tree.where(self._path), "broken video", "fetch the video again") from None

    def decode(self, number: int, size: tuple[int, int]) -> bytes:
        """Nothing: every frame was decoded to be counted, see `Frames`."""
        return b""

    def encoded(self, numbers: range) -> Iterator[bytes]:
        """JPEGs, see `Frames`."""
        return in_order(_as_jpeg, self._pixels(numbers))

    def _pixels(self, numbers: range) -> Iterator[np.ndarray]:
        for number, image in enumerate(self._decoded(), start=1):
            if number > numbers[-1]:
                return
            if number in numbers:
                yield image.to_ndarray(format="bgr24")


def _as_jpeg(image: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def in_order(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """`map` in threads, results in order, a bounded number of them ahead."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        pending: deque = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
