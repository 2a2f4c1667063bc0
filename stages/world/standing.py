"""What stands in a town, as polygons of one array: projected at once, then painted solid by solid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from stages.world.camera import NEAR, Camera
from stages.world.paint import CIRCLE, Item, Stroke, fixed
from stages.world.town import Solid


@dataclass(frozen=True, eq=False)
class Mesh:
    """All faces (F) and all balls (B) of a town's solids, in the solids' order."""

    vertices: np.ndarray  # (V, 3)
    starts: np.ndarray  # (F + 1,): each face's first vertex
    sizes: list[int]  # corners of each of a face's polygons
    solid: np.ndarray  # (F,)
    spheres: np.ndarray  # (F, 4): centre and radius around a face's whole solid
    normal: np.ndarray  # (F, 3), outwards, of any length
    colours: list[tuple]  # (F,)
    balls: np.ndarray  # (B, 4): centre, radius
    ball_starts: np.ndarray  # (solids + 1,)
    ball_colours: list[list[float]]


def build_mesh(solids: list[Solid]) -> Mesh:
    """Gather the solids' faces and balls."""
    faces = [(number, *face) for number, solid in enumerate(solids) for face in solid.faces]
    polygons = [face for _, face, _ in faces]
    spheres = np.array([_sphere(solid) for solid in solids])
    numbers = np.array([number for number, _, _ in faces])
    return Mesh(
        vertices=np.concatenate([face.reshape(-1, 3) for face in polygons]),
        starts=np.cumsum([0] + [face.shape[0] * face.shape[1] for face in polygons]),
        sizes=[face.shape[1] for face in polygons],
        solid=numbers,
        spheres=spheres[numbers],
        normal=np.array([np.cross(face[0, 1] - face[0, 0], face[0, 2] - face[0, 0]) for face in polygons]),
        colours=[(*colour, 255) for _, _, colour in faces],
        balls=np.concatenate([solid.balls for solid in solids]),
        ball_starts=np.cumsum([0] + [len(solid.balls) for solid in solids]),
        ball_colours=[colour for solid in solids for colour in solid.ball_colours.tolist()],
    )


def _sphere(solid: Solid) -> np.ndarray:
    """Centre and radius, (4,), around all faces of a solid."""
    if not solid.faces:
        return np.zeros(4)
    points = np.concatenate([face.reshape(-1, 3) for face, _ in solid.faces])
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    return np.array([*centre, np.linalg.norm(points - centre, axis=1).max()])


def solid_items(mesh: Mesh, crowns: np.ndarray, camera: Camera) -> dict[int, Item]:
    """What to paint of each solid in view, by its number."""
    return _face_items(mesh, camera) | _ball_items(mesh, crowns, camera)


def _face_items(mesh: Mesh, camera: Camera) -> dict[int, Item]:
    faces = np.flatnonzero(_may_be_seen(mesh, camera))
    if not len(faces):
        return {}
    counts = mesh.starts[faces + 1] - mesh.starts[faces]
    starts = np.concatenate([[0], np.cumsum(counts)])
    chosen = np.repeat(mesh.starts[faces] - starts[:-1], counts) + np.arange(starts[-1])
    view, first = camera.view(mesh.vertices[chosen]), starts[:-1]
    nearest, farthest = np.minimum.reduceat(view[:, 2], first), np.maximum.reduceat(view[:, 2], first)
    pixels = camera.pixels(view)
    low, high = np.minimum.reduceat(pixels, first), np.maximum.reduceat(pixels, first)
    within = ((high > 0) & (low < (camera.width, camera.height))).all(axis=1)
    cut = nearest <= NEAR
    points = fixed(pixels)
    strokes: dict[int, list[Stroke]] = {}
    spans: dict[int, list[np.ndarray]] = {}
    for rank in np.flatnonzero((farthest > NEAR) & (within | cut)).tolist():
        face, part = int(faces[rank]), slice(starts[rank], starts[rank + 1])
        number = int(mesh.solid[face])
        mine, span = strokes.setdefault(number, []), spans.setdefault(number, [])
        if cut[rank]:
            for polygon in view[part].reshape(-1, mesh.sizes[face], 3):
                clipped = camera.pixels(_clip(polygon))
                if len(clipped) > 2:
                    mine.append((fixed(clipped), mesh.colours[face]))
                    span += [clipped.min(axis=0), clipped.max(axis=0)]
            continue
        shape = points[part].reshape(-1, mesh.sizes[face], 2)
        mine.append((shape[0] if len(shape) == 1 else shape, mesh.colours[face]))
        span += [low[rank], high[rank]]
    return {
        number: Item(mine, *np.min(spans[number], axis=0).tolist(), *np.max(spans[number], axis=0).tolist())
        for number, mine in strokes.items()
        if mine
    }


def _may_be_seen(mesh: Mesh, camera: Camera) -> np.ndarray:
    """(F,) bool: which faces look towards the camera, and belong to solids that may be in view?"""
    facing = (mesh.normal * (camera.position - mesh.vertices[mesh.starts[:-1]])).sum(axis=1) > 0
    centre, radius = camera.view(mesh.spheres[:, :3]), mesh.spheres[:, 3]
    # A sphere is out of view where it lies wholly outside one of the sides of the pyramid of view.
    sides = np.array([camera.width, camera.height]) / (2 * camera.focal)
    outside = np.abs(centre[:, :2]) - sides * centre[:, 2:] > radius[:, None] * np.hypot(1, sides)
    return facing & ~outside.any(axis=1) & (centre[:, 2] > -radius)


def _ball_items(mesh: Mesh, crowns: np.ndarray, camera: Camera) -> dict[int, Item]:
    view = camera.view(mesh.balls[:, :3])
    radii = mesh.balls[:, 3] * camera.focal / np.maximum(view[:, 2], NEAR)
    centres, radii = camera.pixels(view), radii[:, None]
    points = fixed(centres[:, None] + radii[..., None] * CIRCLE)
    round_ones = np.flatnonzero(np.diff(mesh.ball_starts))
    first = mesh.ball_starts[round_ones]
    low, high = np.minimum.reduceat(centres - radii, first), np.maximum.reduceat(centres + radii, first)
    within = ((high > 0) & (low < (camera.width, camera.height))).all(axis=1)
    within &= np.minimum.reduceat(view[:, 2], first) > 2 * NEAR
    items = {}
    for rank in np.flatnonzero(within).tolist():
        number = int(round_ones[rank])
        part = slice(mesh.ball_starts[number], mesh.ball_starts[number + 1])
        colours = [(*colour, 255) for colour in mesh.ball_colours[part]]
        strokes = list(zip(points[part], colours, strict=True))
        if not crowns[number]:  # a pole or a trunk: the hull of its two ends
            strokes = [(cv2.convexHull(points[part].reshape(-1, 2))[:, 0], colours[0])]
        items[number] = Item(strokes, *low[rank].tolist(), *high[rank].tolist())
    return items


def _clip(polygon: np.ndarray) -> np.ndarray:
    """The part of a polygon (n, 3) of the camera's frame that lies beyond `NEAR` (Sutherland and Hodgman)."""
    kept = []
    for here, there in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if here[2] > NEAR:
            kept.append(here)
        if (here[2] > NEAR) != (there[2] > NEAR):
            kept.append(here + (NEAR - here[2]) / (there[2] - here[2]) * (there - here))
    return np.array(kept).reshape(-1, 3)
