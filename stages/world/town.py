"""The town: one crossing, its pavements, and what stands around it: buildings, trees, kiosks, columns, lamps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stages.world.paint import Boxes

HALF = 80.0  # metres: the town reaches from -HALF to HALF


@dataclass(frozen=True, eq=False)
class Layout:
    """Distances from the crossing's middle in metres; both roads run through it, one along x, one along y."""

    road: float  # half a road's width
    walk: float  # the line that people walk on
    line: float  # the pavement's far edge
    setback: float  # where buildings begin
    zebra: float = 1.8  # half a zebra's width
    corner_signs: np.ndarray = field(default_factory=lambda: np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]))
    across: np.ndarray = field(default_factory=lambda: np.array([[3, 1], [2, 0], [1, 3], [0, 2]]))

    @property
    def stop(self) -> float:
        """Where cars stop for a red light."""
        return self.walk + self.zebra + 0.9

    @property
    def bays(self) -> np.ndarray:
        """Parking bays beside both roads, (n, 3): x, y, heading."""
        far = np.arange(16.0, 40, 5.5)
        offset = self.road + 1.05
        rows = []
        for along in np.concatenate([far, -far]):
            for side in (-1, 1):
                rows += [(along, side * offset, 0 if side < 0 else np.pi)]
                rows += [(side * offset, along, np.pi / 2 if side > 0 else -np.pi / 2)]
        return np.array(rows)


@dataclass(frozen=True, eq=False)
class Solid:
    """Something that stands: its footprint, its flat faces and its balls.

    A face is (m, n, 3): m polygons in one plane that do not overlap, counter-clockwise from outside, metres. Balls are
    (n, 4): centre and radius. ``crown`` marks leaves overhead, which hide whatever they meet on a canvas.
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    faces: list[tuple[np.ndarray, tuple[int, int, int]]]
    balls: np.ndarray
    ball_colours: np.ndarray
    crown: bool = False


@dataclass(frozen=True, eq=False)
class Town:
    """Layout, what stands, the parks' corners, and the sun: where shadows point, their length and their light."""

    layout: Layout
    solids: list[Solid]
    boxes: Boxes
    crowns: np.ndarray  # (solids,) bool
    parks: tuple[int, ...]
    sun: np.ndarray  # (3,): towards the sun
    shadow: np.ndarray  # (2,): metres on the ground for one metre of height
    shadow_light: float  # light in the shadow, 1 is full


def build_town(rng: np.random.Generator) -> Town:
    """Draw a town."""
    road, pavement = rng.uniform(3.2, 3.7), rng.uniform(4.4, 5.0)
    line = road + pavement
    layout = Layout(road, road + pavement / 2 + 0.7, line, line + rng.uniform(4.5, 5.5))
    elevation, azimuth = np.deg2rad(rng.uniform(38, 62)), rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    parks = tuple(int(corner) for corner in np.flatnonzero(rng.random(4) < 0.35))
    solids: list[Solid] = []
    for corner in range(4):
        solids += _park(rng, layout, corner, sun) if corner in parks else _block(rng, layout, corner, sun)
        solids += _furniture(rng, layout, corner, sun)
    boxes = Boxes(
        np.array([solid.centre for solid in solids]),
        np.array([solid.half for solid in solids]),
        np.zeros(len(solids)),
    )
    crowns = np.array([solid.crown for solid in solids])
    return Town(layout, solids, boxes, crowns, parks, sun, -sun[:2] / sun[2], rng.uniform(0.5, 0.8))


def lit(colour: np.ndarray | tuple, normal: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """``colour`` (3,) or (n, 3) on faces with ``normal`` (3,) or (n, 3): ambient light and the sun's (Lambert)."""
    light = 0.62 + 0.45 * np.maximum(np.asarray(normal) @ sun, 0)
    return np.clip(np.asarray(colour, float) * light[..., None], 0, 255)


def _paint(colour: np.ndarray) -> tuple[int, int, int]:
    return tuple(int(value) for value in np.clip(colour, 0, 255))


def _walls(x0: float, y0: float, x1: float, y1: float, low: float, high: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four walls of a block, each (4, 3) from its lower left corner on, with its normal."""
    ring = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    walls = []
    for here, there in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        wall = np.array([(*here, low), (*there, low), (*there, high), (*here, high)])
        edge = (there - here) / np.hypot(*(there - here))
        walls.append((wall, np.array([edge[1], -edge[0], 0.0])))
    return walls


def _panes(wall: np.ndarray, columns: int, rows: int, u: tuple[float, float], v: tuple[float, float]) -> np.ndarray:
    """A grid of panes on a wall, (columns * rows, 4, 3); ``u`` and ``v`` are a pane's extent within its cell."""
    left = (np.arange(columns)[:, None] + np.array(u)) / columns
    low = (np.arange(rows)[:, None] + np.array(v)) / rows
    panes = []
    for (a, b), (c, d) in ((across, up) for across in left for up in low):
        corners = np.array([(a, c), (b, c), (b, d), (a, d)])
        panes.append(wall[0] + corners[:, :1] * (wall[1] - wall[0]) + corners[:, 1:] * (wall[3] - wall[0]))
    return np.array(panes)


def _box_solid(box: tuple[float, ...], height: float, colour: np.ndarray, roof: np.ndarray, sun: np.ndarray) -> Solid:
    """A plain block: ``box`` is x0, y0, x1, y1."""
    x0, y0, x1, y1 = box
    faces = [(wall[None], _paint(lit(colour, normal, sun))) for wall, normal in _walls(*box, 0, height)]
    top = np.array([(x0, y0, height), (x1, y0, height), (x1, y1, height), (x0, y1, height)])
    faces.append((top[None], _paint(lit(roof, np.array([0, 0, 1.0]), sun))))
    centre, half = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2)
    return Solid(centre, half, faces, np.zeros((0, 4)), np.zeros((0, 3)))


def _building(rng: np.random.Generator, box: tuple[float, ...], sun: np.ndarray) -> Solid:
    """A house: storeys of windows over a shop floor, a parapet and boxes on a flat roof."""
    wall = np.array(
        [(120, 150, 190), (150, 175, 200), (95, 110, 165), (180, 190, 195), (140, 150, 155), (170, 185, 215)]
    )
    colour = wall[rng.integers(len(wall))] * rng.uniform(0.85, 1.1) + rng.normal(0, 5, 3)
    roof = np.array([(95, 95, 100), (80, 90, 140), (120, 120, 120), (90, 105, 120)])[rng.integers(4)]
    storeys = int(rng.integers(2, 4))
    height = 3.6 + 2.9 * storeys
    solid = _box_solid(box, height, colour, roof, sun)
    faces = []
    glass, trim = np.array((105, 85, 70)), colour * 1.12
    for (face, shade), (plane, normal) in zip(solid.faces, _walls(*box, 0, height), strict=False):
        faces.append((face, shade))
        width = np.hypot(*(plane[1] - plane[0])[:2])
        upper = np.array(plane)
        upper[:2, 2] = 3.6
        shop = np.array(plane)
        shop[2:, 2] = 3.2
        columns = max(int(width / 2.2), 1)
        faces.append((_panes(upper, columns, storeys, (0.22, 0.78), (0.18, 0.78)), _paint(lit(trim, normal, sun))))
        faces.append((_panes(upper, columns, storeys, (0.28, 0.72), (0.24, 0.74)), _paint(lit(glass, normal, sun))))
        awning = colour[::-1] * 0.7
        faces.append((_panes(shop, 1, 1, (0.02, 0.98), (0.78, 1.0)), _paint(lit(awning, normal, sun))))
        faces.append(
            (_panes(shop, max(int(width / 4), 1), 1, (0.08, 0.92), (0.1, 0.72)), _paint(lit(glass * 0.8, normal, sun)))
        )
    faces.append(solid.faces[-1])
    x0, y0, x1, y1 = box
    corners = [(x0 + 0.5, y0 + 0.5), (x1 - 0.5, y0 + 0.5), (x1 - 0.5, y1 - 0.5), (x0 + 0.5, y1 - 0.5)]
    inner = np.array([[(*corner, height) for corner in corners]])
    faces.append((inner, _paint(lit(roof * 0.85, np.array([0, 0, 1.0]), sun))))
    for _ in range(2):
        x, y = rng.uniform(x0 + 1.5, x1 - 3), rng.uniform(y0 + 1.5, y1 - 3)
        unit = _box_solid((x, y, x + 1.5, y + 1.5), height + 0.01, (150, 150, 150), (165, 165, 160), sun)
        faces.append(unit.faces[-1])
    return Solid(solid.centre, solid.half, faces, solid.balls, solid.ball_colours)


def _block(rng: np.random.Generator, layout: Layout, corner: int, sun: np.ndarray) -> list[Solid]:
    """Houses round a corner: one at it, two along either road."""
    signs, edge = layout.corner_signs[corner], layout.setback
    plots = []
    first = edge + rng.uniform(9, 12, 2)
    plots.append((edge, edge, *first))
    for axis in (0, 1):
        start = first[axis] + 0.05
        for _ in range(2):
            end = start + rng.uniform(10, 15)
            front = edge + rng.uniform(-0.8, 0.8)
            plots.append((start, front, end, front + 9) if axis == 0 else (front, start, front + 9, end))
            start = end + rng.choice([0.05, 3.0])
    return [_building(rng, _mirror(plot, signs), sun) for plot in plots]


def _mirror(plot: tuple[float, ...], signs: np.ndarray) -> tuple[float, float, float, float]:
    x, y = sorted((plot[0] * signs[0], plot[2] * signs[0])), sorted((plot[1] * signs[1], plot[3] * signs[1]))
    return x[0], y[0], x[1], y[1]


def _tree(rng: np.random.Generator, x: float, y: float, sun: np.ndarray) -> list[Solid]:
    """A trunk, and a crown of balls that are lighter towards the sun."""
    size = rng.uniform(0.85, 1.25)
    trunk = np.array([(x, y, 0, 0.2), (x, y, 3.0 * size, 0.15)])
    bark = np.array([(50, 70, 85), (50, 70, 85)])
    leaf = np.array([(45, 105, 60), (40, 95, 85), (55, 120, 75), (50, 90, 50)])[rng.integers(4)]
    middle = np.array([x, y, 4.1 * size])
    deep = rng.normal(size=(8, 3)) * (0.75, 0.75, 0.5) * size + middle
    light = rng.normal(size=(13, 3)) * (0.8, 0.8, 0.5) * size + middle + 0.55 * sun * size
    radii = np.concatenate([rng.uniform(0.8, 1.05, 8), rng.uniform(0.3, 0.5, 13)]) * size
    balls = np.column_stack([np.concatenate([deep, light]), radii])
    lightness = np.clip(0.95 + 0.22 * ((balls[:, :3] - middle) @ sun) / size + rng.normal(0, 0.05, 21), 0.55, 1.5)
    lightness[:8] *= 0.8
    none: list = []
    return [
        Solid((x, y), (0.2, 0.2), none, trunk, bark),
        Solid((x, y), (1.8 * size, 1.8 * size), none, balls, np.clip(leaf * lightness[:, None], 0, 255), crown=True),
    ]


def _park(rng: np.random.Generator, layout: Layout, corner: int, sun: np.ndarray) -> list[Solid]:
    """Trees on grass and hedges along the pavement."""
    signs, solids = layout.corner_signs[corner], []
    for row in range(3):
        for column in range(4):
            x, y = layout.setback + 2 + 6.5 * row, layout.setback + 2 + 6.5 * column
            if rng.random() < 0.7:
                place = (np.array([x, y]) + rng.uniform(-1.5, 1.5, 2)) * signs
                solids += _tree(rng, *place, sun)
    for plot in ((layout.line + 5, layout.line + 0.3, layout.line + 14, layout.line + 1),):
        hedge = np.array((45, 100, 60)) * rng.uniform(0.85, 1.15)
        solids.append(_box_solid(_mirror(plot, signs), 1.0, hedge, hedge * 1.15, sun))
        solids.append(_box_solid(_mirror((plot[1], plot[0], plot[3], plot[2]), signs), 1.0, hedge, hedge * 1.15, sun))
    return solids


def _furniture(rng: np.random.Generator, layout: Layout, corner: int, sun: np.ndarray) -> list[Solid]:
    """What stands at the kerb of a corner: along either road a tree or two, a kiosk or a column, a lamp."""
    signs, solids = layout.corner_signs[corner], []
    kerb = layout.road + 0.8
    for axis in (0, 1):

        def at(along: float, aside: float, axis: int = axis) -> np.ndarray:
            return np.array([along, aside] if axis == 0 else [aside, along]) * signs

        along = layout.line + rng.uniform(2.0, 4.0)
        if rng.random() < 0.55:
            solids.append(_stall(rng, at(along, kerb), axis, sun))
        else:
            solids += _tree(rng, *at(along, kerb - 0.2), sun)
        if rng.random() < 0.6:
            solids += _tree(rng, *at(along + rng.uniform(24, 27), layout.line + 1.2), sun)
        if axis:  # one lamp a corner
            continue
        lamp, grey = at(layout.line - 0.6, kerb - 0.45), np.array((75, 80, 75))
        balls = np.array([(*lamp, 0, 0.09), (*lamp, 5.2, 0.06)])
        solids.append(Solid(tuple(lamp), (0.1, 0.1), [], balls, np.array([grey, grey])))
    return solids


def _stall(rng: np.random.Generator, place: np.ndarray, axis: int, sun: np.ndarray) -> Solid:
    """A kiosk or an advertising column."""
    bright = np.array([(60, 120, 200), (150, 110, 60), (90, 160, 110), (80, 80, 190), (190, 190, 180)])
    colour = bright[rng.integers(len(bright))] * rng.uniform(0.8, 1.05)
    long, wide, height = (1.2, 0.65, 2.5) if rng.random() < 0.5 else (0.6, 0.6, 2.9)
    half = np.array([long, wide] if axis == 0 else [wide, long])
    box = (*(place - half), *(place + half))
    solid = _box_solid(box, height, colour, colour * 0.8, sun)
    faces = []
    for (face, shade), (wall, normal) in zip(solid.faces, _walls(*box, 0, height), strict=False):
        poster = bright[rng.integers(len(bright))]
        faces += [(face, shade), (_panes(wall, 1, 1, (0.12, 0.88), (0.35, 0.85)), _paint(lit(poster, normal, sun)))]
    return Solid(solid.centre, solid.half, [*faces, solid.faces[-1]], solid.balls, solid.ball_colours)
