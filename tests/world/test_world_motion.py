"""How people and cars move: speeds, lanes, distances, lights."""

from itertools import pairwise

import numpy as np
import pytest

from stages.world.motion import lights, simulate
from stages.world.paint import Boxes
from stages.world.town import HALF, build_town

LENGTH = np.linspace(3.7, 4.4, 8)
FRAMES = 200


@pytest.fixture(scope="module")
def world():
    layout = build_town(np.random.default_rng(3)).layout
    return layout, *simulate(np.random.default_rng(4), layout, 24, LENGTH, FRAMES, 2)


def test_people_walk_and_cars_drive_at_their_pace(world):
    _, people, cars = world
    assert people.position.shape == (FRAMES, 24, 2)
    assert cars.position.shape == (FRAMES, 8, 2)
    assert people.speed.max() <= 1.8
    assert cars.speed.max() <= 10
    assert (people.speed > 0.7).any()
    assert (cars.speed > 4).any()
    assert (cars.speed == 0).all(axis=0).sum() == 2  # a fifth of the cars is parked


def test_motion_is_speed_times_time(world):
    """10 frames a second: nobody moves farther in a frame than his speed allows, save where a lane begins anew."""
    _, people, cars = world
    steps = np.hypot(*np.moveaxis(np.diff(people.position, axis=0), -1, 0))
    assert steps.max() < 0.1 * 1.8 + 0.15  # stepping aside for others included
    steps = np.hypot(*np.moveaxis(np.diff(cars.position, axis=0), -1, 0))
    assert steps[steps < HALF].max() <= 0.1 * 10 + 1e-9


def test_cars_of_a_lane_keep_apart(world):
    _, _, cars = world
    for frame in range(0, FRAMES, 10):
        corners = Boxes(cars.position[frame], np.stack([LENGTH / 2, np.full(8, 0.8)], 1), cars.heading[frame]).corners()
        for first in range(8):
            for second in range(first):
                if cars.heading[frame][first] == cars.heading[frame][second]:
                    low = np.maximum(corners[first].min(axis=0), corners[second].min(axis=0))
                    high = np.minimum(corners[first].max(axis=0), corners[second].max(axis=0))
                    assert (high <= low).any()


def test_people_stay_off_the_roads_but_for_the_zebras(world):
    layout, people, _ = world
    x, y = np.abs(people.position).reshape(-1, 2).T
    on_road = np.minimum(x, y) < layout.road - 0.3
    beside = np.maximum(x, y)[on_road]
    assert on_road.any()
    assert np.abs(beside - layout.walk).max() < layout.zebra + 0.7


def test_lights_never_let_both_roads_go():
    seen = [lights(second / 10) for second in range(400)]
    assert {road for road, _ in seen} == {-1, 0, 1}
    assert max(left for _, left in seen) == lights(0.0)[1]
    changes = [(a, b) for (a, _), (b, _) in pairwise(seen) if a != b]
    assert all(-1 in pair for pair in changes)  # red for both in between
