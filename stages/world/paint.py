"""The canvas: painted polygons, and for every pixel the thing that owns it.

Things are painted from far to near. A thing takes a pixel unless the pixel's owner hides it (`hiding`), so both
colours and owners come out right whatever the order among things that do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CIRCLE = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], -1)
_SHIFT = 4  # cv2's fixed point: 16 steps a pixel
_LIMIT = 1 << 14  # canvas pixels; nearly edge-on polygons reach far outside

# Fixed-point corners of a convex polygon (n, 2), or of several that do not overlap (m, n, 2); blue, green, red, 255.
Stroke = tuple[np.ndarray, tuple[float, float, float, int]]


def fixed(points: np.ndarray) -> np.ndarray:
    """Canvas points (..., 2) as cv2 draws them: int32, sixteenths of a pixel, 0 being the first pixel's centre."""
    return np.rint((np.clip(points, -_LIMIT, _LIMIT) - 0.5) * (1 << _SHIFT)).astype(np.int32)


@dataclass(frozen=True)
class Item:
    """What to paint of a thing, in order, and the canvas pixels between which all of it lies."""

    strokes: list[Stroke]
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Silhouette:
    """Where a thing was painted: its box within the canvas (left, top, width, height) and its pixels there."""

    left: int
    top: int
    width: int
    height: int
    pixels: int


class Canvas:
    """``image`` (H, W, 4) uint8, of which the last channel is scratch, and ``owner`` (H, W) uint16; 0 is the ground."""

    def __init__(self, image: np.ndarray, owner: np.ndarray):
        self.image, self.owner = image, owner
        self._sheet = np.empty_like(image)  # each thing is painted here first

    def copy(self) -> Canvas:
        """A canvas of its own with the same content."""
        return Canvas(self.image.copy(), self.owner.copy())

    def paint(self, key: int, item: Item, hiders: np.ndarray | None = None) -> Silhouette | None:
        """Paint a thing as owner ``key``; None if nothing of it lies on the canvas.

        ``hiders`` (owners,) bool tells which owners keep their pixels. The silhouette is all that the thing covers,
        hidden or not.
        """
        height, width = self.owner.shape
        left, top = max(int(item.left) - 2, 0), max(int(item.top) - 2, 0)
        right, bottom = min(int(item.right) + 3, width), min(int(item.bottom) + 3, height)
        if left >= right or top >= bottom or not item.strokes:
            return None
        image, owner = self.image[top:bottom, left:right], self.owner[top:bottom, left:right]
        patch = self._sheet[top:bottom, left:right]
        cv2.bitwise_and(image, _COLOURS, dst=patch)  # a copy whose last channel is 0
        for points, colour in item.strokes:
            _fill(self._sheet, points, colour)
        # Anti-aliased edges belong to the thing where it covers half of the pixel.
        # (cv2.compare would take a patch one pixel wide for a list of scalars.)
        _, covered = cv2.threshold(cv2.extractChannel(patch, 3), 127, 255, cv2.THRESH_BINARY)
        box = cv2.boundingRect(covered)
        if not box[2]:
            return None
        silhouette = Silhouette(box[0] + left, box[1] + top, box[2], box[3], cv2.countNonZero(covered))
        if hiders is None:
            image[:] = patch
        else:
            shown = (~hiders[owner]).view(np.uint8)
            cv2.copyTo(patch, shown, image)
            covered = cv2.copyTo(covered, shown)
        np.putmask(owner, covered, key)
        return silhouette

    def visible(self, key: int, box: Silhouette) -> tuple[int, int, int]:
        """What is left of thing ``key``: its pixels, and the width and height of the box around them."""
        owner = self.owner[box.top : box.top + box.height, box.left : box.left + box.width]
        mask = (owner == key).view(np.uint8)
        return cv2.countNonZero(mask), *cv2.boundingRect(mask)[2:]

    def shade(self, polygons: list[np.ndarray], light: float) -> None:
        """Darken the ground inside fixed-point convex ``polygons`` (n, 2) to ``light`` of what it was."""
        inside = np.zeros(self.owner.shape, np.uint8)
        for points in polygons:
            cv2.fillConvexPoly(inside, points, 255, cv2.LINE_8, _SHIFT)
        inside &= cv2.compare(self.owner, 0, cv2.CMP_EQ)
        cv2.copyTo(cv2.convertScaleAbs(self.image, alpha=light), inside, self.image)


_COLOURS = (255, 255, 255, 0)


def _fill(image: np.ndarray, points: np.ndarray, colour: tuple) -> None:
    if points.ndim == 2:
        cv2.fillConvexPoly(image, points, colour, cv2.LINE_AA, _SHIFT)
    else:
        cv2.fillPoly(image, list(points), colour, cv2.LINE_AA, _SHIFT)


def place(local: np.ndarray, position: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Bodies' points ``local`` (n, m, 3), x forward and y left, in the world."""
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x = local[..., 0] * cos - local[..., 1] * sin + position[:, :1]
    y = local[..., 0] * sin + local[..., 1] * cos + position[:, 1:]
    return np.stack([x, y, local[..., 2]], axis=-1)


def overlapping(items: list[Item]) -> np.ndarray:
    """(n, n) bool: whose rectangles meet on the canvas?"""
    low = np.array([(item.left, item.top) for item in items]).reshape(-1, 2) - 3
    high = np.array([(item.right, item.bottom) for item in items]).reshape(-1, 2) + 3
    return ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=-1)


@dataclass(frozen=True, eq=False)
class Boxes:
    """Footprints on the ground: ``centre`` (n, 2), ``half`` (n, 2) half length and half width, ``yaw`` (n,) radians."""

    centre: np.ndarray
    half: np.ndarray
    yaw: np.ndarray

    def __getitem__(self, index: np.ndarray) -> Boxes:
        return Boxes(self.centre[index], self.half[index], self.yaw[index])

    def __add__(self, other: Boxes) -> Boxes:
        pairs = ((self.centre, other.centre), (self.half, other.half), (self.yaw, other.yaw))
        return Boxes(*(np.concatenate(pair) for pair in pairs))

    def axes(self) -> np.ndarray:
        """(n, 2, 2): the unit vectors along length and width."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)

    def corners(self) -> np.ndarray:
        """(n, 4, 2), counter-clockwise."""
        signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        return self.centre[:, None] + (signs * self.half[:, None]) @ self.axes()


def hiding(viewer: np.ndarray, boxes: Boxes) -> np.ndarray:
    """(n, n) bool: may thing ``o`` (row) hide thing ``k`` (column) from ``viewer`` (2,)?

    If a vertical face of ``o`` has ``k`` wholly outside, then ``o`` cannot hide ``k`` when the viewer is outside that
    face too, and ``k`` cannot hide ``o`` when he is not. Footprints that no face parts go by their distance.
    """
    axes, count = boxes.axes(), len(boxes.yaw)
    offset = boxes.corners().reshape(1, -1, 2) - boxes.centre[:, None]
    local = (offset @ axes.transpose(0, 2, 1)).reshape(count, count, 4, 2)  # k's corners along o's axes
    a, b, c, d = (local[:, :, corner] for corner in range(4))  # many times as fast as reducing so short an axis
    plus = np.minimum(np.minimum(a, b), np.minimum(c, d)) >= boxes.half[:, None]
    minus = np.maximum(np.maximum(a, b), np.maximum(c, d)) <= -boxes.half[:, None]
    away = np.einsum("od,oad->oa", viewer - boxes.centre, axes)
    outside, inside = away > boxes.half, away < -boxes.half
    front = ((plus & outside[:, None]) | (minus & inside[:, None])).any(axis=-1)  # k is before o
    apart = (plus | minus).any(axis=-1)
    distance = np.hypot(*(boxes.centre - viewer).T)
    fallback = np.where(apart.T, front.T, distance[:, None] < distance[None])
    return ~front & (apart | fallback)
