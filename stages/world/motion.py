"""How people and cars move about the crossing.

People walk the pavements and cross on the zebras when the light lets them; cars keep their lanes, their distance, the
lights, and give way to whoever is still on a zebra. Motion is simulated at `RATE` steps a second from the first frame
on, so that a longer sequence begins with the shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.world.town import HALF, Layout

RATE = 20  # simulation steps a second
_CYCLE, _GREEN = 18.0, 6.5  # seconds: the lights' cycle, and each direction's green in it
_LANES = 4  # east, north, west, south


@dataclass(frozen=True, eq=False)
class Motion:
    """Where everyone is: each array begins (steps, n, ...). ``phase`` is that of the steps people take."""

    position: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    phase: np.ndarray


def lights(seconds: float) -> tuple[int, float]:
    """Which road has green, 0 for the one along x, 1 along y, -1 for none; and the seconds left of it."""
    into = seconds % _CYCLE
    road, spent = int(into >= _CYCLE / 2), into % (_CYCLE / 2)
    return (road, _GREEN - spent) if spent < _GREEN else (-1, 0.0)


class Walkers:
    """People on the graph of pavements: four corners, two arms from each, zebras between neighbours."""

    def __init__(self, rng: np.random.Generator, layout: Layout, count: int):
        self.rng, self.layout = rng, layout
        self.pace = rng.uniform(0.8, 1.8, count)
        self.aside = rng.uniform(-1.1, 2.2, (count, 2))
        self.reach = rng.uniform(layout.walk + 5, 25, count)
        self.stands = rng.random(count) < 0.12
        self.corner = rng.integers(4, size=count)
        self.end = np.full(count, -1)  # -1: bound for the corner itself; 0, 1: for the end of an arm along x, y
        self.wait = np.zeros(count)
        self.push = np.zeros((count, 2))
        self.want = np.full(count, -1)  # the road that one waits to cross
        self.crossing = np.full(count, -1)  # the road that is being crossed: 0 along x, 1 along y
        self.place = self._goal()
        for person in range(count):
            self._choose(person, 0.0, free=True)
        share = rng.random((count, 1))
        self.place = self.place * (1 - share) + self._goal() * share
        self.heading = np.arctan2(*(self._goal() - self.place).T[::-1])
        self.speed, self.phase = np.zeros(count), rng.uniform(0, 2 * np.pi, count)

    def _goal(self) -> np.ndarray:
        """Where everyone is bound for, (n, 2)."""
        signs = self.layout.corner_signs[self.corner]
        goal = signs * self.layout.walk + self.aside
        for axis in (0, 1):
            goal[:, axis] = np.where(self.end == axis, signs[:, axis] * self.reach, goal[:, axis])
        return goal

    def _choose(self, person: int, seconds: float, free: bool = False) -> None:
        """Where next, on arrival: from an arm's end back; from a corner along an arm or over a zebra."""
        self.crossing[person] = -1
        if self.end[person] >= 0 and not free:
            self.end[person], self.wait[person] = -1, self.rng.uniform(0.5, 3)
            return
        if free or (self.want[person] < 0 and self.rng.random() < 0.6):
            self.end[person] = self.rng.integers(2)
            return
        if self.want[person] < 0:
            self.want[person] = self.rng.integers(2)
        road = int(self.want[person])
        green, left = lights(seconds)
        if green == 1 - road and left > 2.5:
            self.corner[person] = self.layout.across[self.corner[person], road]
            self.crossing[person], self.want[person] = road, -1
        else:
            self.wait[person] = 0.25  # then look again
        self.end[person] = -1

    def step(self, seconds: float, dt: float) -> None:
        """Move everyone on by ``dt`` seconds."""
        way = self._goal() - self.place
        left = np.hypot(*way.T)
        for person in np.flatnonzero((left < 0.15) & (self.wait <= 0)):
            self._choose(int(person), seconds)
        way = self._goal() - self.place
        left = np.hypot(*way.T)
        self.wait = np.maximum(self.wait - dt, 0)
        walks = (self.wait <= 0) & ~(self.stands & (self.crossing < 0)) & (left > 0.05)
        self.speed += np.clip(np.where(walks, self.pace, 0) - self.speed, -4 * dt, 2 * dt)
        stride = np.minimum(self.speed * dt, left)
        self.place = self.place + way / np.maximum(left, 1e-9)[:, None] * stride[:, None]
        turn = (np.arctan2(way[:, 1], way[:, 0]) - self.heading + np.pi) % (2 * np.pi) - np.pi
        self.heading = self.heading + np.where(walks, np.clip(turn, -4 * dt, 4 * dt), 0)
        self.phase = self.phase + 2 * np.pi * stride / 1.35
        self._part(dt)

    def _part(self, dt: float) -> None:
        """Push apart those who would walk through one another."""
        between = self.position[:, None] - self.position[None]
        distance = np.hypot(between[..., 0], between[..., 1]) + 1e-9
        force = np.where(distance < 1.2, (1.2 - distance) / distance, 0)
        np.fill_diagonal(force, 0)
        self.push += dt * (3 * (between * force[..., None]).sum(axis=1) - 0.8 * self.push)
        self.push = np.clip(self.push, -1.0, 1.0)

    @property
    def position(self) -> np.ndarray:
        """Where everyone is, (n, 2)."""
        return self.place + self.push


class Traffic:
    """Cars in four straight lanes, and some that are parked for good."""

    def __init__(self, rng: np.random.Generator, layout: Layout, length: np.ndarray):
        count = len(length)
        self.layout, self.length = layout, length
        bays = rng.permutation(len(layout.bays))[: round(0.2 * count)]
        self.parked = np.arange(count) < len(bays)
        self.bay = np.pad(bays, (0, count - len(bays)))
        self.lane = rng.permutation(np.arange(count)) % _LANES
        self.top = rng.uniform(4.5, 10, count)
        self.along = np.zeros(count)
        for lane in range(_LANES):
            cars = np.flatnonzero((self.lane == lane) & ~self.parked)
            room = 2 * HALF / max(len(cars), 1)
            jitter = rng.uniform(0, max(room - 8, 0), len(cars))
            self.along[cars] = (rng.uniform(0, room) + np.arange(len(cars)) * room + jitter) % (2 * HALF) - HALF
        self.speed = np.where(self.parked, 0, self.top * 0.6)

    def step(self, seconds: float, dt: float, walkers: Walkers) -> None:
        """Move every car on by ``dt`` seconds."""
        green, left = lights(seconds)
        gap = np.minimum(self._gap_to_leader(), self._gap_to_line(green if left > 0.5 else -1, walkers))
        wanted = np.minimum(self.top, np.sqrt(2 * 3.0 * np.maximum(gap, 0)))
        speed = self.speed + np.clip(wanted - self.speed, -7 * dt, 2.2 * dt)
        self.speed = np.where(self.parked, 0, np.clip(speed, 0, None))
        self.along = (self.along + self.speed * dt + HALF) % (2 * HALF) - HALF

    def _gap_to_leader(self) -> np.ndarray:
        """Metres to the tail of the next car in the lane."""
        ahead = (self.along[None] - self.along[:, None]) % (2 * HALF)
        other = (self.lane[:, None] != self.lane[None]) | self.parked[None] | np.eye(len(ahead), dtype=bool)
        gap = ahead - (self.length[:, None] + self.length[None]) / 2 - 1.5
        return np.where(other, np.inf, gap).min(axis=1, initial=np.inf)

    def _gap_to_line(self, green: int, walkers: Walkers) -> np.ndarray:
        """Metres to the next stop line that must not be crossed: a red light's, or of a zebra in use."""
        road = self.lane % 2
        forward = np.where(self.lane < 2, 1, -1)
        gap = np.full(len(road), np.inf)
        for line, side in ((-self.layout.stop, -1), (self.layout.walk - self.layout.zebra - 0.3, 1)):
            room = line - self.along - self.length / 2
            used = self._zebra_in_use(walkers, road, side * forward)
            closed = used | ((green != road) if side < 0 else False)
            gap = np.where(closed & (room > -0.8), np.minimum(gap, np.maximum(room, 0)), gap)
        return gap

    def _zebra_in_use(self, walkers: Walkers, road: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Does someone cross ``road`` (n,) on its zebra at ``side`` (n,) of the crossing?"""
        used = np.zeros(len(road), bool)
        for axis in (0, 1):
            place = walkers.position[walkers.crossing == axis]
            place = place[np.abs(place[:, 1 - axis]) < self.layout.road + 0.6]
            for sign in (-1, 1):
                used |= (road == axis) & (side == sign) & bool((np.sign(place[:, axis]) == sign).any())
        return used

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, 2) and headings (n,)."""
        angle = self.lane * np.pi / 2
        along = np.stack([np.cos(angle), np.sin(angle)], -1)
        right = np.stack([np.sin(angle), -np.cos(angle)], -1)
        place = along * self.along[:, None] + right * (self.layout.road / 2)
        bays = self.layout.bays[self.bay]
        return np.where(self.parked[:, None], bays[:, :2], place), np.where(self.parked, bays[:, 2], angle)


def simulate(
    rng: np.random.Generator, layout: Layout, count: int, length: np.ndarray, frames: int, stride: int
) -> tuple[Motion, Motion]:
    """Move ``count`` people and ``len(length)`` cars; every ``stride`` steps is a frame. Returns people's, cars'."""
    walkers, traffic = Walkers(rng, layout, count), Traffic(rng, layout, length)
    start = rng.uniform(0, _CYCLE)
    people, cars = [], []
    warm = 10 * RATE  # until the queues at the lights have formed
    for step in range(-warm, (frames - 1) * stride + 1):
        seconds = start + (step + warm) / RATE
        if step >= 0 and step % stride == 0:
            people.append((walkers.position.copy(), walkers.heading, walkers.speed.copy(), walkers.phase))
            cars.append((*traffic.pose(), traffic.speed, traffic.speed * 0))
        walkers.step(seconds, 1 / RATE)
        traffic.step(seconds, 1 / RATE, walkers)
    return Motion(*map(np.array, zip(*people, strict=True))), Motion(*map(np.array, zip(*cars, strict=True)))
