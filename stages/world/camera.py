"""Pinhole cameras over the town: fixed ones at the street corners, and drones on their paths.

World: metres, x east, y north, z up; the ground is z = 0. Camera: x right, y down, z forward. Canvas: pixels, (0, 0)
is the corner of the first pixel, not its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR = 0.3  # metres: nothing nearer than this is drawn


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera at ``position`` (3,) with ``rotation`` (3, 3), whose rows are right, down and forward."""

    position: np.ndarray
    rotation: np.ndarray
    focal: float
    width: int
    height: int

    def view(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in the camera's frame, (..., 3)."""
        return (points - self.position) @ self.rotation.T

    def pixels(self, view: np.ndarray) -> np.ndarray:
        """Points of the camera's frame (..., 3) on the canvas, (..., 2); what lies behind comes out far away."""
        depth = np.maximum(view[..., 2:], NEAR)
        return view[..., :2] * (self.focal / depth) + (self.width / 2, self.height / 2)

    def ground(self) -> np.ndarray:
        """The homography (3, 3) from the ground plane (x, y, 1) to the canvas."""
        intrinsic = np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2], [0, 0, 1]])
        columns = np.stack([self.rotation[:, 0], self.rotation[:, 1], -self.rotation @ self.position], axis=1)
        return intrinsic @ columns

    def horizon(self) -> float:
        """The canvas row of the horizon; the camera is never rolled."""
        forward = self.rotation[2]
        return self.height / 2 + self.focal * forward[2] / np.hypot(forward[0], forward[1])


def aim(position: np.ndarray, yaw: float, pitch: float, focal: float, width: int, height: int) -> Camera:
    """A camera that looks ``yaw`` radians counter-clockwise of east and ``pitch`` radians below the horizon."""
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(np.asarray(position, float), rotation, focal, width, height)


def street_camera(rng: np.random.Generator, corner: int, setback: float, width: int, height: int) -> Camera:
    """A camera on a pole behind ``corner`` (0 to 3) of the crossing, looking across it.

    ``rng`` draws what differs from camera to camera; ``setback`` is the corner's distance from either road's axis.
    """
    angle = np.pi / 4 + corner * np.pi / 2
    sides = setback * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.95, 1.1, 2)
    position = np.array([*sides, rng.uniform(4.6, 5.6)])
    target = rng.uniform(-1.5, 1.5, 2)
    yaw = np.arctan2(*(target - sides)[::-1])
    pitch = np.deg2rad(rng.uniform(14, 17))
    return aim(position, yaw, pitch, 1.2 * width, width, height)


@dataclass(frozen=True, eq=False)
class DronePath:
    """A drone that wanders slowly above the crossing: ``camera(t)`` is where it is after ``t`` seconds."""

    pitch: float
    scale: float
    turns: np.ndarray  # (5, 3): amplitude, radians a second and phase of x, y, yaw, pitch and distance
    start: np.ndarray  # (3,): x, y and yaw in the middle of the wandering

    def camera(self, seconds: float, width: int, height: int) -> Camera:
        """The camera at a moment; ``scale`` pixels a metre at the centre of a view 320 pixels wide."""
        x, y, yaw, pitch, distance = self.turns[:, 0] * np.sin(self.turns[:, 1] * seconds + self.turns[:, 2])
        focal = 0.9 * width
        pitch, yaw = self.pitch + pitch, self.start[2] + yaw
        away = 0.9 * 320 / self.scale * (1 + distance)
        back = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
        target = np.array([self.start[0] + x, self.start[1] + y, 0.0])
        return aim(target - away * back, yaw, pitch, focal, width, height)


def drone_path(rng: np.random.Generator, number: int) -> DronePath:
    """The path of a source's drone ``number`` (from 0); the numbers spread the pitch evenly from oblique to nadir."""
    share = (0.25 + 0.618034 * number) % 1.0
    pitch = np.deg2rad(47 + 34 * share + rng.uniform(-2, 2))
    amplitude = np.array([rng.uniform(3, 6), rng.uniform(3, 6), rng.uniform(0.1, 0.3), 0.02, 0.04])
    rate = rng.uniform([0.2, 0.2, 0.15, 0.3, 0.2], [0.4, 0.4, 0.35, 0.6, 0.5])
    turns = np.stack([amplitude, rate, rng.uniform(0, 2 * np.pi, 5)], axis=1)
    start = np.array([*rng.uniform(-3, 3, 2), rng.uniform(0, 2 * np.pi)])
    return DronePath(pitch, 10.0 + 1.2 * share, turns, start)
