"""Random changes to training clips: which window of a frame goes where in the image, mirrored or not, in which colours.

Every window's sides are whole pixels, so that one resize of the frame as it was read does all and boxes follow it
exactly. Every clip has its own generator, so the result depends on nothing else, and each knob has draws of its own:
changing one leaves the others' draws as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from stages.detectors.frames import GREY
from stages.mixtures.clips import Targets
from stages.params.stage import Augment

_LEAST_SIDE = 2.0  # pixels: a smaller piece of an object at the border is no target
_LEAST_SHARE = 0.1  # of an object's area that must stay in view
_CROP_SIDES = (0.5, 1.0)  # of a random window, as shares of the frame's
_CROP_STRETCH = 4 / 3  # the most by which its shape differs from the frame's
_HUE_TURN, _SATURATION, _BRIGHTNESS = 0.04, 1.0, 0.8  # the most at strength 1: of a full turn; of 1; of 1
# NTSC's YIQ: luma, and a plane of chroma in which hue is an angle (FCC, 47 CFR 73.682, 1953, rounded).
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_YIQ)


class Window(NamedTuple):
    """Whole pixels of an image: columns ``x1`` to ``x2`` - 1, rows ``y1`` to ``y2`` - 1."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.x2 - self.x1, self.y2 - self.y1

    def of(self, image: np.ndarray) -> np.ndarray:
        """The window's part of an image (H, W, 3), not copied."""
        return image[self.y1 : self.y2, self.x1 : self.x2]


@dataclass(frozen=True)
class Zoom:
    """Where points go: ``x * scale + shift``, both (2,) for x and y, in pixels from the image's corner."""

    scale: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Where ``points`` (..., 2) go."""
        return points * self.scale + self.shift

    def then(self, other: Zoom) -> Zoom:
        """This and then ``other``."""
        return Zoom(self.scale * other.scale, other(self.shift))


def fitting(frame: np.ndarray, size: tuple[int, int]) -> Zoom:
    """A whole frame (H, W, 3) to the whole of an image of ``size`` (width, height)."""
    return Zoom(np.array(size) / frame.shape[1::-1], np.zeros(2))


@dataclass(frozen=True)
class Piece:
    """What is seen of the frames of a clip: their window ``source`` in the image's window ``place``.

    ``smooth``: averaged as validation does it, at greater cost. ``colours`` (3, 3) turns blue-green-red into the same.
    """

    source: Window
    place: Window
    mirrored: bool = False
    smooth: bool = False
    colours: np.ndarray | None = None

    def of(self, frame: np.ndarray) -> np.ndarray:
        """The piece of one frame (H, W, 3), of the size of its place."""
        piece = _scaled(self.source.of(frame), self.place.size, self.smooth)
        piece = cv2.flip(piece, 1) if self.mirrored else piece
        return piece if self.colours is None else cv2.transform(piece, self.colours)

    def move(self, targets: Targets) -> Targets:
        """Targets of one frame, cut to the place; an object of which too little is left is dropped."""
        boxes = self._move(np.concatenate([targets.boxes, targets.distractors, targets.regions]))
        inside = boxes.clip(np.float32(self.place[:2] * 2), np.float32(self.place[2:] * 2))
        count, regions = len(targets.boxes), len(boxes) - len(targets.regions)
        shown = (inside[:, 2:] > inside[:, :2]).all(1)
        kept = _visible(boxes[:count], inside[:count])
        return Targets(
            inside[:count][kept],
            targets.classes[kept],
            targets.identities[kept],
            inside[count:regions][shown[count:regions]],
            inside[regions:][shown[regions:]],
        )

    def _move(self, boxes: np.ndarray) -> np.ndarray:
        scale = np.array(self.place.size) / self.source.size
        points = (boxes.reshape(-1, 2, 2) - self.source[:2]) * scale + self.place[:2]
        if self.mirrored:
            points[..., 0] = self.place.x1 + self.place.x2 - points[:, ::-1, 0]
        return points.reshape(-1, 4).astype(np.float32)


def augment_clip(
    frames: list[np.ndarray],
    targets: list[Targets],
    size: tuple[int, int],
    settings: Augment,
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], list[Targets]]:
    """Crop, zoom, shift, flip and recolour a clip, all of its frames alike, into images of ``size`` (width, height)."""
    zoom = fitting(frames[0], size).then(draw_zoom(size, settings, rng))
    piece = dressed(fit_piece(frames[0], zoom, Window(0, 0, *size)), settings, rng)
    return [composed(size, [(frame, piece)]) for frame in frames], [piece.move(target) for target in targets]


def draw_zoom(size: tuple[int, int], settings: Augment, rng: np.random.Generator) -> Zoom:
    """How an image of ``size`` (width, height) changes: a window fills it, then a zoom about its centre and a shift.

    The window (with chance `crop`) has sides of half to all of the image's, of a shape at most `_CROP_STRETCH` away
    from the image's; the zoom is uniform in `scale`, the shift uniform up to `translate` of the image's sides.
    """
    extent = np.array(size, np.float64)
    chance, side, stretch = rng.random(), rng.uniform(*_CROP_SIDES), _CROP_STRETCH ** rng.uniform(-0.5, 0.5)
    corner, factor, shift = rng.random(2), rng.uniform(*settings.scale), rng.uniform(-1, 1, 2)
    shares = np.clip([side * stretch, side / stretch], *_CROP_SIDES) if chance < settings.crop else np.ones(2)
    crop = Zoom(1 / shares, -corner * (1 / shares - 1) * extent)
    return crop.then(Zoom(np.full(2, factor), ((1 - factor) / 2 + settings.translate * shift) * extent))


def fit_piece(frame: np.ndarray, zoom: Zoom, bounds: Window) -> Piece:
    """What of a frame is seen within ``bounds`` of the image under ``zoom``: at least a pixel.

    ``zoom`` is followed to the next whole pixel of the frame and of the image.
    """
    sides = zip(frame.shape[1::-1], bounds[:2], bounds[2:], zoom.scale.tolist(), zoom.shift.tolist(), strict=True)
    (x, place_x), (y, place_y) = (_fit_side(*side) for side in sides)
    source, place = Window(x[0], y[0], x[1], y[1]), Window(place_x[0], place_y[0], place_x[1], place_y[1])
    if source.size == frame.shape[1::-1] and place == bounds:
        return Piece(source, place, smooth=True)
    step = _reduction(source.size, place.size)
    width, height = (side - side % step for side in source.size)
    return Piece(source._replace(x2=source.x1 + width, y2=source.y1 + height), place)


def _fit_side(extent: int, low: int, high: int, scale: float, shift: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """`fit_piece` along one side: from where to where in a frame of ``extent`` pixels, and in the image."""
    first = min(max(round(shift), low), high - 1)
    last = min(max(round(shift + extent * scale), first + 1), high)
    start = min(max(round((first - shift) / scale), 0), extent - 1)
    stop = min(max(round((last - shift) / scale), start + 1), extent)
    return (start, stop), (first, last)


def dressed(piece: Piece, settings: Augment, rng: np.random.Generator) -> Piece:
    """The piece with a flip and colours drawn for it."""
    flip = rng.random() < settings.flip
    return replace(piece, mirrored=flip, colours=_draw_colours(settings.colour, rng))


def _reduction(source: tuple[int, int], place: tuple[int, int]) -> int:
    """How many pixels of the frame, each way, can be averaged before what is left is interpolated."""
    return max(1, min(source[0] // place[0], source[1] // place[1]))


def _scaled(image: np.ndarray, size: tuple[int, int], smooth: bool) -> np.ndarray:
    """Resize; shrinking averages whole pixels first, which is a fifth of the cost of averaging exactly."""
    extent = image.shape[1::-1]
    if extent == size:
        return image
    if smooth:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA if max(size) < max(extent) else cv2.INTER_LINEAR)
    step = _reduction(extent, size)
    if step > 1:
        image = cv2.resize(image, (extent[0] // step, extent[1] // step), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def composed(size: tuple[int, int], parts: list[tuple[np.ndarray, Piece]]) -> np.ndarray:
    """One image of ``size`` (width, height) from pieces of frames, grey where there is none."""
    if len(parts) == 1 and parts[0][1].place.size == size:
        return parts[0][1].of(parts[0][0])
    image = np.full((size[1], size[0], 3), GREY, np.uint8)
    for frame, piece in parts:
        piece.place.of(image)[:] = piece.of(frame)
    return image


def _visible(boxes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    sides = inside[:, 2:] - inside[:, :2]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return (sides.min(1) >= _LEAST_SIDE) & (np.prod(sides, axis=1) >= _LEAST_SHARE * area)


def _draw_colours(strength: float, rng: np.random.Generator) -> np.ndarray | None:
    """A turn of the hue, a gain of saturation and one of brightness as one (3, 3) matrix; None where nothing changes.

    Hue and saturation turn and stretch the chroma plane of YIQ; grey stays grey. A tenth of the cost of HSV tables.
    """
    turn, saturation, gain = rng.uniform(-1, 1, 3) * strength * (_HUE_TURN, _SATURATION, _BRIGHTNESS)
    if not strength:
        return None
    cosine, sine = ((1 + saturation) * part(2 * math.pi * turn) for part in (math.cos, math.sin))
    chroma = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return ((1 + gain) * _FROM_YIQ @ chroma @ _YIQ)[::-1, ::-1].copy()
