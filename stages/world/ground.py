"""The ground of a town as one picture: asphalt, markings, pavements, grass, and the shadows of what stands."""

from __future__ import annotations

import cv2
import numpy as np

from stages.world.town import HALF, Layout, Solid, Town

SCALE = 12.5  # pixels a metre
SIZE = int(2 * HALF * SCALE)
# From the picture's pixel centres to metres: (x, y, 1) = TO_WORLD @ (column, row, 1).
TO_WORLD = np.array([[1 / SCALE, 0, 0.5 / SCALE - HALF], [0, 1 / SCALE, 0.5 / SCALE - HALF], [0, 0, 1]])


def paint_ground(rng: np.random.Generator, town: Town) -> tuple[np.ndarray, np.ndarray]:
    """The ground (SIZE, SIZE, 4) uint8, and the light on it (SIZE, SIZE) float32: 1, or less in a shadow.

    The last channel is 0: scratch for `paint.Canvas`.
    """
    image = np.empty((SIZE, SIZE, 3), np.uint8)
    tones = _tones(rng)
    image[:] = tones["plaza"]
    _corners(image, rng, town, tones)
    _roads(image, rng, town.layout, tones)
    _markings(image, town.layout, tones)
    light = _shadows(town)
    tone = cv2.merge([_noise(rng) * light] * 3)
    ground = cv2.cvtColor(cv2.multiply(image, tone, dtype=cv2.CV_8U), cv2.COLOR_BGR2BGRA)
    ground[..., 3] = 0
    return ground, light


def _tones(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Colours, each a little different from town to town."""
    common = {
        "asphalt": (88, 86, 84),
        "bay": (104, 101, 100),
        "pavement": (150, 156, 160),
        "kerb": (185, 188, 188),
        "plaza": (138, 148, 158),
        "grass": (70, 125, 95),
        "path": (140, 170, 190),
        "white": (215, 218, 218),
    }
    warmth = rng.normal(0, 4, 3)
    return {name: np.array(tone) * rng.uniform(0.9, 1.1) + warmth for name, tone in common.items()}


def _rectangle(image: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray) -> None:
    low = np.array([min(x0, x1), min(y0, y1)])
    high = np.array([max(x0, x1), max(y0, y1)])
    (left, top), (right, bottom) = (((edge + HALF) * SCALE).round().astype(int) for edge in (low, high))
    image[max(top, 0) : bottom, max(left, 0) : right] = np.clip(colour, 0, 255)


def _corners(image: np.ndarray, rng: np.random.Generator, town: Town, tones: dict[str, np.ndarray]) -> None:
    """Grass and a path in the parks, paving slabs elsewhere."""
    line = town.layout.line
    for corner, (x, y) in enumerate(town.layout.corner_signs):
        far = HALF + 1
        if corner in town.parks:
            _rectangle(image, x * line, y * line, x * far, y * far, tones["grass"])
            path = np.array([(line - 1, line + 1), (line + 1, line - 1), (far, far - 3), (far - 3, far)]) * (x, y)
            cv2.fillConvexPoly(image, ((path + HALF) * SCALE).astype(np.int32), tones["path"].tolist(), cv2.LINE_AA)
            continue
        back = town.layout.setback + 11
        _rectangle(image, x * back, y * back, x * far, y * far, tones["grass"] * 0.95)
        for step in np.arange(line, back, 1.0):
            joint = tones["plaza"] * rng.uniform(0.88, 0.95)
            _rectangle(image, x * step, y * line, x * (step + 0.07), y * back, joint)
            _rectangle(image, x * line, y * step, x * back, y * (step + 0.07), joint)


def _roads(image: np.ndarray, rng: np.random.Generator, layout: Layout, tones: dict[str, np.ndarray]) -> None:
    """Pavements, kerbs, parking bays and asphalt with mended patches and manholes."""
    far, road, line = HALF + 1, layout.road, layout.line
    bands = [(line, "pavement"), (road + 0.2, "kerb"), (road, "asphalt")]
    for half, tone in bands:
        for along in (0, 1):
            span = (-far, -half, far, half) if along == 0 else (-half, -far, half, far)
            _rectangle(image, *span, tones[tone])
    for step in np.arange(-HALF, HALF, 0.9):  # slabs of the pavement
        for side in (-1, 1):
            joint = tones["pavement"] * 0.93
            if abs(step) > line:
                _rectangle(image, step, side * (road + 0.2), step + 0.06, side * line, joint)
                _rectangle(image, side * (road + 0.2), step, side * line, step + 0.06, joint)
    for x, y, heading in layout.bays:
        half = (2.7, 1.05) if abs(np.cos(heading)) > 0.5 else (1.05, 2.7)
        _rectangle(image, x - half[0], y - half[1], x + half[0], y + half[1], tones["white"])
        inner = (half[0] - 0.08, half[1] - 0.08)
        _rectangle(image, x - inner[0], y - inner[1], x + inner[0], y + inner[1], tones["bay"])
    for _ in range(26):
        along, aside = rng.uniform(-45, 45), rng.uniform(-road + 0.8, road - 0.8)
        long, wide = rng.uniform(0.5, 4.0), rng.uniform(0.3, 0.7)
        x, y = (along, aside) if rng.random() < 0.5 else (aside, along)
        if abs(along - x) > 0:
            long, wide = wide, long
        _rectangle(image, x - long, y - wide, x + long, y + wide, tones["asphalt"] * rng.uniform(0.84, 1.1))
    for _ in range(8):
        along, aside = rng.uniform(-30, 30), rng.uniform(-road + 1, road - 1)
        x, y = (along, aside) if rng.random() < 0.5 else (aside, along)
        centre = (int((x + HALF) * SCALE), int((y + HALF) * SCALE))
        cv2.circle(image, centre, int(0.35 * SCALE), (tones["asphalt"] * 0.6).tolist(), -1, cv2.LINE_AA)


def _markings(image: np.ndarray, layout: Layout, tones: dict[str, np.ndarray]) -> None:
    """Lane lines, stop lines and zebras."""
    road, white = layout.road, tones["white"]

    def mark(along: float, aside: float, long: float, wide: float, turn: int = 1) -> None:
        _rectangle(image, along - long, aside - wide, along + long, aside + wide, white)
        _rectangle(image, turn * aside - wide, along - long, turn * aside + wide, along + long, white)

    for side in (-1, 1):
        for along in np.arange(layout.stop + 2, HALF, 3.5):
            mark(side * along, 0, 0.9, 0.07)
        # One drives on the right: to be so for both roads, the line lies on opposite sides of their axes.
        mark(side * layout.stop, side * road / 2, 0.16, road / 2 - 0.1, turn=-1)
        for stripe in np.arange(-road + 0.45, road - 0.3, 0.95):
            mark(side * layout.walk, stripe + 0.25, layout.zebra, 0.25)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Fine grain and broad stains, (SIZE, SIZE) float32 around 1."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, (SIZE // 2, SIZE // 2)).astype(np.float32), (0, 0), 0.6)
    total = 1 + 0.045 * cv2.resize(grain, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    for cells, strength in ((300, 0.03), (60, 0.035), (12, 0.03)):
        stain = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        total += strength * cv2.resize(stain, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return total


def _shadows(town: Town) -> np.ndarray:
    """Light on the ground, (SIZE, SIZE) float32: the shadow of every solid, its edges a little soft."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for solid in town.solids:
        for polygon in _cast(solid, town.shadow):
            points = ((polygon + HALF) * SCALE * 16).round().astype(np.int32)
            cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
    return 1 - (1 - town.shadow_light) * soft


def _cast(solid: Solid, shadow: np.ndarray) -> list[np.ndarray]:
    """Convex polygons (n, 2) in metres that the solid shades."""
    circle = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], -1)
    if len(solid.faces):
        points = np.concatenate([face.reshape(-1, 3) for face, _ in solid.faces])
        return [_hull(points[:, :2] + points[:, 2:] * shadow)]
    rings = [ball[:2] + ball[2] * shadow + ball[3] * circle for ball in solid.balls]
    return rings if solid.crown else [_hull(np.concatenate(rings))]


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32))[:, 0]
