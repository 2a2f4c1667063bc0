"""Cars: how they look, their faces, and what to paint of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.world.camera import NEAR, Camera
from stages.world.paint import CIRCLE, Boxes, Item, fixed, place
from stages.world.town import lit

_PAINTS = np.array(
    [
        *[(45, 40, 190), (190, 90, 40), (235, 235, 232), (55, 52, 50), (170, 170, 168)],
        *[(40, 170, 220), (90, 130, 50), (120, 60, 90), (60, 100, 200), (150, 160, 110)],
    ]
)


@dataclass(frozen=True, eq=False)
class Cars:
    """Lasting looks of ``n`` cars."""

    size: np.ndarray  # (n, 4): length, width, height of the belt and of the roof, metres
    paint: np.ndarray  # (n, 3): blue, green, red
    vertices: np.ndarray  # (n, V, 3): all faces' corners, metres, x forward and y left


def draw_cars(rng: np.random.Generator, count: int) -> Cars:
    """Draw the looks of ``count`` cars: saloons, hatchbacks, tall ones and vans."""
    bodies = np.array([(4.2, 1.72, 0.85, 1.38), (3.7, 1.66, 0.88, 1.45), (4.2, 1.8, 1.0, 1.66), (4.4, 1.82, 1.05, 2.0)])
    # The cabin's rear and front foot, rear and front of its roof, in half lengths.
    cabins = np.array([(-0.7, 0.45, -0.45, 0.12), (-0.97, 0.45, -0.8, 0.15), (-0.96, 0.45, -0.85, 0.2)])
    cabins = np.vstack([cabins, (-0.98, 0.72, -0.96, 0.45)])
    kind = rng.choice(4, count, p=[0.35, 0.35, 0.15, 0.15])
    paint = _PAINTS[rng.integers(len(_PAINTS), size=count)] + rng.normal(0, 8, (count, 3))
    size = bodies[kind] * rng.uniform(0.96, 1.03, (count, 1))
    vertices = np.concatenate([face for face, _ in _faces(size, cabins[kind])], axis=1)
    return Cars(size, np.clip(paint, 10, 245), vertices)


def car_boxes(cars: Cars, position: np.ndarray, heading: np.ndarray) -> Boxes:
    """Footprints of cars at ``position`` (n, 2)."""
    return Boxes(position, cars.size[:, :2] / 2, heading)


def car_shadows(shadow: np.ndarray, cars: Cars, boxes: Boxes) -> np.ndarray:
    """Cars' shadows on the ground, (n, 12, 2) metres: their hulls are those of the footprint, belt and roof laid down.

    ``shadow`` (2,) is where a metre of height throws its shadow.
    """
    low = boxes.corners()
    belt = low + (cars.size[:, 2:3] * shadow)[:, None]
    inner = boxes.centre[:, None] + 0.72 * (low - boxes.centre[:, None])
    roof = inner + (cars.size[:, 3:4] * shadow)[:, None]
    return np.concatenate([low, belt, roof], axis=1)


_RING = np.arange(8)
_BODY, _GLASS, _TYRE, _RIM, _FRONT, _REAR, _DARK = range(7)
_MATERIALS = np.array(
    [(0, 0, 0), (90, 75, 62), (35, 33, 32), (165, 165, 165), (235, 245, 245), (40, 40, 190), (45, 43, 42)]
)


def _octagon(length: np.ndarray, width: np.ndarray, height: np.ndarray | float) -> np.ndarray:
    """A ring of eight points with cut corners, (n, 8, 3), counter-clockwise from above."""
    a, b, x, y = length / 2, width / 2, 0.22 * np.ones_like(length), 0.3 * np.ones_like(length)
    points = [(a, y - b), (a, b - y), (a - x, b), (x - a, b), (-a, b - y), (-a, y - b), (x - a, -b), (a - x, -b)]
    plan = np.stack([np.stack(point, -1) for point in points], axis=1)
    return np.concatenate([plan, np.broadcast_to(np.reshape(height, (-1, 1, 1)), (*plan.shape[:2], 1))], axis=-1)


def _cabin(size: np.ndarray, cabin: np.ndarray) -> np.ndarray:
    """The cabin's foot and roof, (n, 8, 3): each from its rear right corner counter-clockwise."""
    half, width = size[:, 0] / 2, size[:, 1] / 2
    rings = []
    for ends, share, height in ((cabin[:, :2], 0.93, size[:, 2]), (cabin[:, 2:], 0.74, size[:, 3])):
        rear, front, y = ends[:, 0] * half, ends[:, 1] * half, width * share
        for x, sign in ((rear, -1), (front, -1), (front, 1), (rear, 1)):
            rings.append(np.stack([x, sign * y, height], -1))
    return np.stack(rings, axis=1)


def _pane(quad: np.ndarray, u: tuple[float, float], v: tuple[float, float]) -> np.ndarray:
    """A piece of each ``quad`` (n, 4, 3), lower left corner first: shares ``u`` along its foot and ``v`` upwards."""
    corners = [(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])]
    foot, head, rise = quad[:, 0], quad[:, 3], []
    for a, b in corners:
        rise.append((foot + (quad[:, 1] - foot) * a) * (1 - b) + (head + (quad[:, 2] - head) * a) * b)
    return np.stack(rise, axis=1)


def _wheels(size: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Tyres and rims on both sides, each (n, 12, 3), counter-clockwise from outside."""
    faces = []
    for side in (-1, 1):
        circle = CIRCLE[::-side] if side > 0 else CIRCLE
        for end in (-0.62, 0.62):
            for radius, material, out in ((0.33, _TYRE, 0.0), (0.19, _RIM, 0.01)):
                x = end * size[:, :1] / 2 + radius * circle[:, 0]
                y = np.broadcast_to(side * (size[:, 1:2] / 2 + out), x.shape)
                z = np.broadcast_to(0.33 + radius * circle[:, 1], x.shape)
                faces.append((np.stack([x, y, z], -1), material))
    return faces


def _faces(size: np.ndarray, cabin: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Faces, each (n, m, 3) metres with its material, in an order of painting that is right from everywhere."""
    length, width, belt, _ = size.T
    sill = _octagon(length - 0.12, width - 0.1, 0.24)
    flank = _octagon(length, width, 0.58)
    hood = _octagon(length - 0.25, width - 0.14, belt)
    faces = []
    for low, high, material in ((sill, flank, _BODY), (flank, hood, _BODY)):
        for here in _RING:
            there = (here + 1) % 8
            faces.append((np.stack([low[:, here], low[:, there], high[:, there], high[:, here]], axis=1), material))
    front, rear = faces[8][0], faces[12][0]
    for u in ((0.0, 0.26), (0.74, 1.0)):
        faces += [(_pane(front, u, (0.1, 0.6)), _FRONT), (_pane(rear, u, (0.15, 0.8)), _REAR)]
    faces.append((_pane(faces[0][0], (0.1, 0.9), (0.1, 0.6)), _DARK))
    faces.append((_pane(faces[4][0], (0.3, 0.7), (0.4, 0.95)), _FRONT))  # the plate
    faces += _wheels(size)
    faces.append((hood, _BODY))
    rings = _cabin(size, cabin)
    for here in range(4):
        there = (here + 1) % 4
        wall = rings[:, [here, there, there + 4, here + 4]]
        faces.append((wall, _BODY))
        spans = ((0.07, 0.47), (0.53, 0.93)) if here in (0, 2) else ((0.06, 0.94),)
        faces += [(_pane(wall, span, (0.12, 0.9)), _GLASS) for span in spans]
    faces.append((rings[:, 4:], _BODY))
    return faces


# All cars have the same faces: where each begins among the vertices, and its material.
_PLAIN = _faces(np.array([(4.2, 1.7, 0.9, 1.4)]), np.array([(-0.7, 0.45, -0.45, 0.12)]))
_STARTS = np.cumsum([0, *(face.shape[1] for face, _ in _PLAIN)])
_FACE_MATERIALS = np.array([material for _, material in _PLAIN])


def car_items(
    cars: Cars, sun: np.ndarray, camera: Camera, pose: tuple[np.ndarray, np.ndarray], light: np.ndarray
) -> list[Item]:
    """What to paint of each of ``cars``, faces turned away left out; ``pose`` is position, heading; ``light`` (n,)."""
    if not len(cars.paint):
        return []
    world, starts = place(cars.vertices, *pose), _STARTS
    view, first = camera.view(world), starts[:-1]
    corner = world[:, first]
    normal = np.cross(world[:, first + 1] - corner, world[:, first + 2] - corner)
    seen = ((normal * (camera.position - corner)).sum(axis=-1) > 0) & (view[..., 2].min(axis=1) > NEAR)[:, None]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    paint = np.where((_FACE_MATERIALS == _BODY)[:, None], cars.paint[:, None], _MATERIALS[_FACE_MATERIALS])
    colours = (lit(paint, normal, sun) * light[:, None, None]).tolist()
    pixels = camera.pixels(view)
    low, high, points = pixels.min(axis=1).tolist(), pixels.max(axis=1).tolist(), fixed(pixels)
    items = []
    for index, shown in enumerate(seen):
        numbers = np.flatnonzero(shown).tolist()
        strokes = [(points[index, starts[face] : starts[face + 1]], (*colours[index][face], 255)) for face in numbers]
        items.append(Item(strokes, *low[index], *high[index]))
    return items
