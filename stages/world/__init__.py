"""The embedded world: a small procedural town, seen by street cameras or by drones, with exact ground truth.

`world_sequences` lists a source's sequences; each renders to JPEG frames and MOTChallenge rows. Everything follows from
the source's seed. The street and the air view of a seed share their towns, split by split; splits never share one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stages.params.sources import SPLITS, Split, WorldSource
from stages.sequences.archive import SequenceInfo
from stages.world.camera import Camera, drone_path, street_camera
from stages.world.cars import draw_cars
from stages.world.ground import paint_ground
from stages.world.motion import RATE, simulate
from stages.world.people import draw_people
from stages.world.render import SUPER, Scene, draw_lens, encode, render_frames
from stages.world.standing import build_mesh
from stages.world.town import build_town

FPS = {"street": 10, "air": 20}
_CAMERAS = {"street": 2, "air": 1}  # how many sequences show one scene
# What a random generator is for: the last number of its seed.
_TOWN, _GROUND, _PEOPLE, _CARS, _MOTION, _SITE, _LENS, _GRAIN = range(8)


@dataclass(frozen=True)
class WorldSequence:
    """One camera's sequence: ``scene`` (from 0) within its split, ``camera`` (from 0) within the scene."""

    name: str
    split: Split
    source: WorldSource
    scene: int
    camera: int

    @property
    def info(self) -> SequenceInfo:
        """What seqinfo.ini says about it."""
        source = self.source
        return SequenceInfo(self.name, float(FPS[source.view]), source.width, source.height, source.frames)

    def render(self) -> tuple[list[bytes], np.ndarray]:
        """All frames as JPEG files, and gt (N, 9) float64: see `annotations.parse_gt`, `sources.WORLD_LABELS`."""
        frames, rows = [], []
        for frame, found in self.pictures():
            frames.append(encode(frame))
            rows += found
        return frames, np.array(rows, dtype=np.float64).reshape(-1, 9)

    def pictures(self) -> Iterator[tuple[np.ndarray, list[tuple]]]:
        """Each frame, (H, W, 3) uint8 blue-green-red, with its rows of gt."""
        source = self.source
        scene = _scene(source, self.split, self.scene)
        lens = draw_lens(self._rng(_LENS, self.camera), source.width, source.height)
        return render_frames(scene, self._cameras(scene), lens, self._rng(_GRAIN, self.camera), source.view == "street")

    def _cameras(self, scene: Scene) -> Iterator[Camera]:
        source, rng = self.source, self._rng(_SITE, self.camera)
        width, height = source.width * SUPER, source.height * SUPER
        if source.view == "street":
            first = int(self._rng(_SITE, 9).integers(4))
            setback = scene.town.layout.road + 1.6
            fixed = street_camera(rng, (first + self.camera) % 4, setback, width, height)
            return (fixed for _ in range(source.frames))
        path = drone_path(rng, self.scene)
        return (path.camera(frame / FPS["air"], width, height) for frame in range(source.frames))

    def _rng(self, purpose: int, camera: int) -> np.random.Generator:
        view = list(FPS).index(self.source.view)
        return np.random.default_rng([self.source.seed, SPLITS.index(self.split), self.scene, purpose, view, camera])


def world_sequences(source: WorldSource) -> list[WorldSequence]:
    """All sequences of ``source``: by split, then by number. Two street cameras in a row show one scene."""
    cameras = _CAMERAS[source.view]
    return [
        WorldSequence(f"{source.view}-{split}-{number + 1:02d}", split, source, *divmod(number, cameras))
        for split in SPLITS
        for number in range(getattr(source.sequences, split))
    ]


def _scene(source: WorldSource, split: Split, scene: int) -> Scene:
    stride = RATE // FPS[source.view]
    return _build_scene(source.seed, split, scene, source.people, source.cars, source.frames, stride)


@lru_cache(maxsize=1)  # the two cameras of a scene are rendered one after the other
def _build_scene(seed: int, split: Split, scene: int, people: int, cars: int, frames: int, stride: int) -> Scene:
    def rng(purpose: int) -> np.random.Generator:
        return np.random.default_rng([seed, SPLITS.index(split), scene, purpose])

    town = build_town(rng(_TOWN))
    ground, light = paint_ground(rng(_GROUND), town)
    bodies = draw_cars(rng(_CARS), cars)
    motion = simulate(rng(_MOTION), town.layout, people, bodies.size[:, 0], frames, stride)
    return Scene(town, build_mesh(town.solids), ground, light, draw_people(rng(_PEOPLE), people), bodies, *motion)
