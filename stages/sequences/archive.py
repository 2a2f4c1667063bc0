"""Sequence archives: one MOTChallenge sequence as an uncompressed ZIP, read by random access.

`img1/000001.jpg`..., `gt/gt.txt` and `seqinfo.ini`, all stored, with a fixed date: equal content is equal bytes.
"""

from __future__ import annotations

import configparser
import io
import os
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.files import replacing
from stages.sequences.annotations import format_gt, parse_gt

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a ZIP can hold


@dataclass(frozen=True)
class SequenceInfo:
    """What seqinfo.ini says: frame rate in frames a second, size in pixels, length in frames."""

    name: str
    fps: float
    width: int
    height: int
    length: int
    extension: str = ".jpg"

    def member(self, frame: int) -> str:
        """The archive's member that holds ``frame`` (from 1)."""
        return f"img1/{frame:06d}{self.extension}"


class Sequence:
    """A sequence archive, open for reading. Frames count from 1. Pickles to another process by its path."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
            self.info = _parse_seqinfo(self._zip.read("seqinfo.ini").decode())
        except FileNotFoundError:
            raise InputError(str(path), "no such sequence archive", "run `dvc repro` or `dvc pull`") from None
        except (zipfile.BadZipFile, KeyError, configparser.Error, ValueError) as error:
            raise InputError(str(path), f"not a sequence archive ({error})", "delete it and run `dvc repro`") from None

    def __reduce__(self) -> tuple:
        return Sequence, (self.path,)

    def encoded(self, frame: int) -> bytes:
        """The frame's JPEG or PNG file, as it stands in the archive (whose sha256 index.csv holds); thread-safe."""
        try:
            item = self._zip.getinfo(self.info.member(frame))
        except KeyError as error:
            raise self._damaged(error) from None
        # By hand, as the archive is ours and stored: zipfile takes twice as long as reading the same JPEG as a file.
        file = self._zip.fp.fileno()
        name, extra = struct.unpack("<HH", os.pread(file, 30, item.header_offset)[26:])
        content = os.pread(file, item.file_size, item.header_offset + 30 + name + extra)
        if len(content) != item.file_size or item.compress_type != zipfile.ZIP_STORED:
            raise self._damaged("cut off, or not stored")
        return content

    def _damaged(self, what: object) -> InputError:
        return InputError(str(self.path), f"damaged ({what})", "delete it and run `dvc repro`")

    def frame(self, frame: int) -> np.ndarray:
        """The frame, (H, W, 3) uint8, blue-green-red."""
        import cv2  # who only writes archives does not wait for it

        image = cv2.imdecode(np.frombuffer(self.encoded(frame), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"{self.path}: {self.info.member(frame)}", "unreadable image", "run `dvc repro` again")
        return image

    def gt(self) -> np.ndarray:
        """Ground truth as `annotations.parse_gt` gives it, (N, 9) float64; a still image may hold none."""
        text = self._zip.read("gt/gt.txt").decode()
        return parse_gt(text, f"{self.path}: gt/gt.txt") if text else np.empty((0, 9))

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def write_archive(path: str | Path, info: SequenceInfo, frames: Iterable[bytes], gt: np.ndarray) -> None:
    """Write a sequence archive in one step.

    ``frames`` yields ``info.length`` encoded images in order; ``gt`` is (N, 9), see `annotations.parse_gt`.
    """
    with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        _store(archive, "seqinfo.ini", format_seqinfo(info).encode())
        _store(archive, "gt/gt.txt", format_gt(gt).encode())
        count = 0
        for count, encoded in enumerate(frames, start=1):
            _store(archive, info.member(count), encoded)
        if count != info.length:
            raise ValueError(f"{path}: {count} frames written, {info.length} announced")


def _store(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(member, _EPOCH), content)


def _parse_seqinfo(text: str) -> SequenceInfo:
    parser = configparser.ConfigParser()
    parser.read_file(io.StringIO(text))
    section = parser["Sequence"]
    return SequenceInfo(
        name=section["name"],
        fps=float(section["frameRate"]),
        width=int(section["imWidth"]),
        height=int(section["imHeight"]),
        length=int(section["seqLength"]),
        extension=section["imExt"],
    )


def format_seqinfo(info: SequenceInfo) -> str:
    """The text of seqinfo.ini."""
    return (
        f"[Sequence]\nname={info.name}\nimDir=img1\nframeRate={info.fps:g}\nseqLength={info.length}\n"
        f"imWidth={info.width}\nimHeight={info.height}\nimExt={info.extension}\n"
    )
