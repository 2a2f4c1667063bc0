"""Tracks drawn over their frames as H.264 in MP4: boxes in lasting colours, labels and short trails.

Frames are read from the sequence archive, drawn and encoded one at a time. Equal input gives equal bytes.
"""

from __future__ import annotations

import colorsys
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from stages.files import replacing
from stages.sequences.annotations import corners
from stages.sequences.archive import Sequence as Archive
from stages.sequences.tracks import Tracks

MAX_WIDTH = 1280  # pixels; wider frames are shrunk
DOUBLE_BELOW = 640  # pixels; frames up to this width are drawn at twice their size, so that text can be read
TRAIL = 1.0  # seconds
MAX_SECONDS = 60.0  # of a sequence that are drawn
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALL = 36  # pixels; boxes lower than this get their number alone
_GOLDEN = 0.618034  # of the colour circle: steps of the golden ratio fill it evenly
_TONES = ((0.9, 1.0), (0.55, 1.0), (0.9, 0.8), (0.4, 0.95), (0.75, 0.9))  # saturation and value
# One thread, since x264's result depends on their number; no macroblock tree, which now and then gives other bytes for
# the same frames.
_X264 = {"crf": "23", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}

Colour = tuple[int, int, int]
Point = tuple[int, int]


@dataclass(frozen=True)
class Track:
    """One track box: its id, class from 0 and x1, y1, x2, y2 in pixels of the source's frame."""

    id: int
    label: int
    box: np.ndarray


def by_frame(tracks: Tracks) -> dict[int, list[Track]]:
    """The track boxes of each frame."""
    frames: dict[int, list[Track]] = defaultdict(list)
    boxes = corners(tracks.boxes)
    for frame, track, label, box in zip(tracks.frames, tracks.ids, tracks.classes, boxes, strict=True):
        frames[int(frame)].append(Track(int(track), int(label), box))
    return frames


def write_video(
    path: Path, sequence: Archive, tracks: dict[int, list[Track]], classes: Sequence[str], title: str
) -> None:
    """Draw ``tracks`` over ``sequence`` at its own frame rate, its first minute at most, into ``path`` in one step."""
    rate = Fraction(sequence.info.fps).limit_denominator(1001)
    length = min(sequence.info.length, max(1, int(MAX_SECONDS * sequence.info.fps)))
    width, height, _ = output_size(sequence.info.width, sequence.info.height)
    # +bitexact keeps the muxer's version out of the file.
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with replacing(path) as partial, av.open(str(partial), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        for image in drawn_frames(sequence, tracks, classes, title, length):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def output_size(width: int, height: int) -> tuple[int, int, float]:
    """Width and height of the video, both even as yuv420p needs, and the factor from the frame's own size."""
    factor = 2.0 if width <= DOUBLE_BELOW else min(1.0, MAX_WIDTH / width)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2), factor


def drawn_frames(
    sequence: Archive, tracks: dict[int, list[Track]], classes: Sequence[str], title: str, length: int
) -> Iterator[np.ndarray]:
    """Each of the first ``length`` frames with its tracks, (H, W, 3) uint8 blue-green-red at `output_size`."""
    width, height, factor = output_size(sequence.info.width, sequence.info.height)
    trails: dict[int, deque[tuple[int, Point]]] = defaultdict(deque)
    for number in range(1, length + 1):
        image = cv2.resize(sequence.frame(number), (width, height), interpolation=_interpolation(factor))
        present = [Track(track.id, track.label, track.box * factor) for track in tracks.get(number, ())]
        for track in present:
            trails[track.id].append((number, (round(track.box[[0, 2]].mean()), round(track.box[3]))))
        _forget(trails, number - round(TRAIL * sequence.info.fps))
        for track in present:
            _draw_trail(image, [point for _, point in trails[track.id]], colour_of(track.id))
        _draw_boxes(image, present, classes)
        _draw_caption(image, f"{title}   {(number - 1) / sequence.info.fps:5.1f} s")
        yield image


def colour_of(track_id: int) -> Colour:
    """A colour that is the same for an id wherever it appears; ids near one another are far apart in hue."""
    saturation, value = _TONES[track_id % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb(track_id * _GOLDEN % 1, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def _interpolation(factor: float) -> int:
    return cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA


def _forget(trails: dict[int, deque[tuple[int, Point]]], before: int) -> None:
    for track_id in list(trails):
        while trails[track_id] and trails[track_id][0][0] <= before:
            trails[track_id].popleft()
        if not trails[track_id]:
            del trails[track_id]


def _draw_trail(image: np.ndarray, points: list[Point], colour: Colour) -> None:
    if len(points) > 1:
        cv2.polylines(image, [np.array(points, np.int32)], False, colour, 1, cv2.LINE_AA)


def _draw_boxes(image: np.ndarray, tracks: list[Track], classes: Sequence[str]) -> None:
    """All boxes, and over them the labels, which keep off one another where there is room."""
    taken: list[tuple[int, int, int, int]] = []
    for track in tracks:
        x1, y1, x2, y2 = (round(value) for value in track.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour_of(track.id), 1 if y2 - y1 < _SMALL else 2, cv2.LINE_AA)
    for track in tracks:
        low = track.box[3] - track.box[1] < _SMALL
        text = str(track.id) if low else f"{classes[track.label]} {track.id}"
        taken.append(_draw_label(image, text, track, 0.36 if low else 0.42, taken))


def _draw_label(image: np.ndarray, text: str, track: Track, scale: float, taken: list) -> tuple[int, int, int, int]:
    """``text`` on a filled ground above the box, or below it if that is ``taken``; returns the ground's x1 y1 x2 y2."""
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, 1)
    width, height = width + 3, height + baseline + 1
    left = int(np.clip(round(track.box[0]), 0, max(0, image.shape[1] - width - 1)))
    tops = [int(np.clip(round(top), 0, image.shape[0] - height)) for top in (track.box[1] - height, track.box[3])]
    grounds = [(left, top, left + width, top + height) for top in tops]
    ground = next((each for each in grounds if not any(_overlap(each, other) for other in taken)), grounds[0])
    colour = blue, green, red = colour_of(track.id)
    cv2.rectangle(image, ground[:2], ground[2:], colour, cv2.FILLED)
    dark = 0.114 * blue + 0.587 * green + 0.299 * red < 110  # luma of ITU-R BT.601
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(image, text, (left + 2, ground[3] - baseline), _FONT, scale, ink, 1, cv2.LINE_AA)
    return ground


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _draw_caption(image: np.ndarray, text: str) -> None:
    """White on a dark ground in the lower left corner."""
    (width, height), baseline = cv2.getTextSize(text, _FONT, 0.45, 1)
    bottom = image.shape[0]
    ground = image[bottom - height - baseline - 8 :, : width + 12]
    ground[:] = (ground * 0.35).astype(np.uint8)
    cv2.putText(image, text, (6, bottom - baseline - 3), _FONT, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
