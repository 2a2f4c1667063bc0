"""Frames and ground truth: a town's people and cars as one camera sees them, frame by frame.

Everything is painted at twice the frame's size, where boxes and visibility are measured, and then reduced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from stages.params.sources import WORLD_LABELS
from stages.world.camera import NEAR, Camera
from stages.world.cars import Cars, car_boxes, car_items, car_shadows
from stages.world.ground import TO_WORLD
from stages.world.motion import Motion
from stages.world.paint import Boxes, Canvas, Item, Silhouette, fixed, hiding, overlapping
from stages.world.people import People, person_boxes, person_items, person_shadows
from stages.world.standing import Mesh, solid_items
from stages.world.town import Town

SUPER = 2  # canvas pixels for one of the frame's, each way
_NUMBERS = {name: number for number, name in WORLD_LABELS.items()}
_FAR_GROUND = (95, 128, 115, 0)  # beyond the town's edge
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]
LEAST_VISIBLE = 0.4  # of a silhouette: who shows less could not fairly be asked for
_GRAIN = 32  # pixels by which the grain can be shifted


@dataclass(frozen=True, eq=False)
class Scene:
    """A town with those who move in it, and its ground and light as `ground.paint_ground` gives them."""

    town: Town
    mesh: Mesh
    ground: np.ndarray
    light: np.ndarray
    people: People
    cars: Cars
    people_motion: Motion
    cars_motion: Motion


@dataclass(frozen=True, eq=False)
class Lens:
    """What a camera makes of the light: a (256, 1, 3) uint8 table for the colours, and grain to add."""

    table: np.ndarray
    grain: np.ndarray  # (H + _GRAIN, W + _GRAIN, 3) int16

    def develop(self, canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The frame, (H, W, 3) uint8, from a canvas of `SUPER` times its size."""
        height, width = canvas.shape[0] // SUPER, canvas.shape[1] // SUPER
        frame = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
        frame = cv2.LUT(cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR), self.table)
        top, left = rng.integers(_GRAIN, size=2)
        return cv2.add(frame, self.grain[top : top + height, left : left + width], dtype=cv2.CV_8U)


def draw_lens(rng: np.random.Generator, width: int, height: int) -> Lens:
    """Draw a lens: exposure, contrast, white balance and grain."""
    exposure, contrast = rng.uniform(0.9, 1.2), rng.uniform(0.9, 1.12)
    balance = np.clip(rng.normal(1, 0.035, 3), 0.92, 1.08)
    tone = np.arange(256)[:, None] / 255 * exposure * balance
    table = np.clip(((tone - 0.45) * contrast + 0.45) * 255, 0, 255).astype(np.uint8)[:, None]
    size = (height + _GRAIN, width + _GRAIN)
    grain = rng.normal(0, 2.2, (*size, 1)) + rng.normal(0, 0.8, (*size, 3))
    return Lens(table, grain.round().astype(np.int16))


def encode(frame: np.ndarray) -> bytes:
    """The frame as a JPEG file."""
    return cv2.imencode(".jpg", frame, _QUALITY)[1].tobytes()


@dataclass(frozen=True, eq=False)
class Backdrop:
    """Ground, sky and what stands: ``items`` by solid; solid ``i`` owns its pixels as ``i + 1``."""

    canvas: Canvas
    items: dict[int, Item]


def paint_backdrop(scene: Scene, camera: Camera) -> Backdrop:
    """Paint all that does not move."""
    centres = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])  # from canvas coordinates to pixel centres
    warp, size = centres @ camera.ground() @ TO_WORLD, (camera.width, camera.height)
    image = cv2.warpPerspective(scene.ground, warp, size, flags=cv2.INTER_LINEAR, borderValue=_FAR_GROUND)
    _paint_sky(image, camera.horizon())
    canvas, town = Canvas(image, np.zeros(image.shape[:2], np.uint16)), scene.town
    items = solid_items(scene.mesh, town.crowns, camera)
    seen = np.array(sorted(items), dtype=int)
    boxes = town.boxes[seen]
    hides = hiding(camera.position[:2], boxes)
    low = ~town.crowns[seen] & (boxes.half.max(axis=1) < 2)
    hides[np.ix_(town.crowns[seen], low)] = True
    _paint_all(canvas, seen + 1, [items[number] for number in seen], boxes, hides, camera)
    return Backdrop(canvas, items)


def _paint_sky(image: np.ndarray, horizon: float) -> None:
    rows = int(np.clip(np.ceil(horizon), 0, len(image)))
    if rows:
        height = np.linspace(1, 0, rows)[:, None]
        sky = height * (225, 185, 150) + (1 - height) * (235, 228, 222)
        image[:rows, :, :3] = sky[:, None].astype(np.uint8)


def _paint_all(
    canvas: Canvas, keys: np.ndarray, items: list[Item], boxes: Boxes, hides: np.ndarray, camera: Camera, first: int = 0
) -> list[tuple[int, Silhouette]]:
    """Paint ``items`` from number ``first`` on, from far to near; those before it are painted already."""
    distance = np.hypot(*(boxes.centre - camera.position[:2]).T)
    hides = hides & overlapping(items)
    hidden = hides.any(axis=0).tolist()
    painted = []
    for number in np.argsort(-distance, kind="stable").tolist():
        if number < first:
            continue
        hiders = None
        if hidden[number]:
            hiders = np.zeros(int(keys.max()) + 1, bool)
            hiders[keys] = hides[:, number]
        silhouette = canvas.paint(int(keys[number]), items[number], hiders)
        if silhouette is not None:
            painted.append((int(keys[number]), silhouette))
    return painted


def paint_frame(scene: Scene, camera: Camera, backdrop: Backdrop, canvas: Canvas, frame: int) -> list:
    """Paint everyone who is in view in ``frame`` (from 0): (owner key, `Silhouette`) of each.

    Person ``i`` is owner ``solids + 1 + i``; cars follow the people.
    """
    keys, boxes, items, shadows = _cast(scene, camera, frame)
    canvas.shade(shadows, scene.town.shadow_light)
    standing = np.array(sorted(backdrop.items), dtype=int)
    everything = scene.town.boxes[standing] + boxes
    hides = hiding(camera.position[:2], everything)
    hides[: len(standing)][scene.town.crowns[standing]] = True  # leaves are overhead, and cameras higher than heads
    items = [backdrop.items[number] for number in standing] + items
    keys = np.concatenate([standing + 1, keys])
    return _paint_all(canvas, keys, items, everything, hides, camera, first=len(standing))


def _cast(scene: Scene, camera: Camera, frame: int) -> tuple[np.ndarray, Boxes, list[Item], list[np.ndarray]]:
    """Those in view: owner keys, footprints, what to paint, and fixed-point shadows."""
    walking, driving, town = scene.people_motion, scene.cars_motion, scene.town
    people = _in_view(camera, walking.position[frame], 1.3)
    cars = _in_view(camera, driving.position[frame], 3.5)
    looks, bodies = _subset(scene.people, people), _subset(scene.cars, cars)
    pose = tuple(getattr(walking, name)[frame][people] for name in ("position", "heading", "speed", "phase"))
    course = (driving.position[frame][cars], driving.heading[frame][cars])
    parked = car_boxes(bodies, *course)
    items = person_items(looks, camera, pose, _light_at(scene, pose[0]))
    items += car_items(bodies, town.sun, camera, course, _light_at(scene, course[0]))
    shadows = [
        *_on_ground(camera, person_shadows(town.shadow, pose[0], looks.tall)),
        *_on_ground(camera, car_shadows(town.shadow, bodies, parked)),
    ]
    keys = np.concatenate([people, cars + len(scene.people.tall)]) + len(town.solids) + 1
    return keys, person_boxes(*pose[:2]) + parked, items, shadows


def _on_ground(camera: Camera, points: np.ndarray) -> list[np.ndarray]:
    flat = np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)
    return [cv2.convexHull(ring)[:, 0] for ring in fixed(camera.pixels(camera.view(flat)))]


def _subset(looks: People | Cars, index: np.ndarray) -> People | Cars:
    return type(looks)(**{name: values[index] for name, values in vars(looks).items()})


def _in_view(camera: Camera, position: np.ndarray, radius: float) -> np.ndarray:
    """Indices of those whose surrounding ball (``radius`` metres) can touch the canvas."""
    view = camera.view(np.column_stack([position, np.full(len(position), 0.8)]))
    reach = radius * camera.focal / np.maximum(view[:, 2], NEAR)
    pixels = camera.pixels(view)
    inside = (pixels > -reach[:, None]) & (pixels < reach[:, None] + (camera.width, camera.height))
    return np.flatnonzero(inside.all(axis=1) & (view[:, 2] > radius))


def _light_at(scene: Scene, position: np.ndarray) -> np.ndarray:
    """Light on those at ``position`` (n, 2): less in the shadow of what stands, though not as dark as the ground."""
    pixels = (position - TO_WORLD[:2, 2]) / TO_WORLD[0, 0]
    column, row = pixels.round().astype(int).clip(0, len(scene.light) - 1).T
    return 0.4 + 0.6 * scene.light[row, column]


def gt_rows(frame: int, canvas: Canvas, painted: list, solids: int, people: int) -> list[tuple]:
    """Ground truth of ``frame`` (from 1): nine columns for everyone of whom a pixel is visible, by id.

    Hidden is whoever shows a smaller share than `LEAST_VISIBLE`, or less than 4 pixels in height or 3 in width.
    """
    rows = []
    for key, box in sorted(painted, key=lambda entry: entry[0]):
        pixels, width, height = canvas.visible(key, box)
        if not pixels:
            continue
        identity, visibility = key - solids, pixels / box.pixels
        small = height < 4 * SUPER or width < 3 * SUPER
        label = "hidden" if visibility < LEAST_VISIBLE or small else "car" if identity > people else "person"
        extent = (box.left / SUPER, box.top / SUPER, box.width / SUPER, box.height / SUPER)
        rows.append((frame, identity, *extent, 1, _NUMBERS[label], round(visibility, 4)))
    return rows


def render_frames(
    scene: Scene, cameras: Iterator[Camera], lens: Lens, rng: np.random.Generator, still: bool
) -> Iterator[tuple[np.ndarray, list[tuple]]]:
    """Yield every frame (H, W, 3) and its ground truth rows; ``cameras`` yields a camera for each.

    With ``still`` the camera is the same in every frame, and the backdrop is painted once.
    """
    base = None
    for frame, camera in enumerate(cameras):
        if base is None or not still:
            base = paint_backdrop(scene, camera)
        canvas = base.canvas.copy() if still else base.canvas
        painted = paint_frame(scene, camera, base, canvas, frame)
        rows = gt_rows(frame + 1, canvas, painted, len(scene.town.solids), len(scene.people.tall))
        yield lens.develop(canvas.image, rng), rows
