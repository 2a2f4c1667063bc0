"""Opens what a user names as footage."""

from __future__ import annotations

from pathlib import Path

from stages.errors import InputError
from stages.video.frames import Footage, checked_rate


def open_footage(path: Path, fps: str | None = None) -> Footage:
    """The video file or the folder of images at ``path``, at its own frame rate or at ``fps`` (frames a second).

    Raises `InputError` where there is neither, or no frame rate is known.
    """
    rate = checked_rate(fps)
    if path.is_dir():
        from stages.video.images import ImageFolder

        return ImageFolder(path, rate)
    if not path.is_file():  # nor a pipe, which can be read once only
        raise InputError(str(path), "no such file", "give a video or a folder of images")
    from stages.video.file import VideoFile

    return VideoFile(path, rate)
