"""People: how they look, how their limbs move, and what to paint of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stages.world.camera import NEAR, Camera
from stages.world.paint import CIRCLE, Boxes, Item, fixed, place

# Blue, green, red. Tops and paint stand out; trousers and skin are what people have.
_TOPS = np.array(
    [
        *[(50, 50, 215), (200, 85, 40), (70, 170, 50), (40, 200, 235), (240, 240, 240), (45, 40, 40)],
        *[(165, 60, 165), (70, 125, 245), (215, 195, 70), (120, 70, 240), (150, 150, 75), (105, 105, 185)],
    ]
)
_BOTTOMS = np.array([(90, 55, 35), (45, 40, 40), (110, 90, 70), (120, 140, 160), (60, 70, 80), (150, 110, 70)])
_SKINS = np.array([(150, 185, 235), (120, 160, 215), (85, 120, 175), (60, 85, 130), (45, 65, 100)])
_HAIRS = np.array([(25, 30, 35), (30, 55, 90), (70, 130, 180), (120, 125, 130), (35, 45, 110), (40, 40, 45)])
# Joints: radii in metres, in the order in which `_joints` gives their places.
(HIP_L, HIP_R, KNEE_L, KNEE_R, FOOT_L, FOOT_R, TOE_L, TOE_R, SHOULDER_L, SHOULDER_R, ELBOW_L, ELBOW_R) = range(12)
(HAND_L, HAND_R, NECK, HEAD, CHIN, HAIR, BACK, HEM) = range(12, 20)
_RADII = np.array([0.11, 0.11, 0.075, 0.075, 0.055, 0.055, 0.045, 0.045, 0.095, 0.095, 0.06, 0.06])
_RADII = np.concatenate([_RADII, [0.05, 0.05, 0.06, 0.115, 0.085, 0.12, 0.15, 0.2]])
_LOOKS = ("top", "bottom", "skin", "hair", "pack_colour")
(TOP, BOTTOM, SKIN, HAIR_LOOK, PACK, SHOE) = range(6)
_COARSE = 30  # canvas pixels: people less high than this are painted with fewer parts


@dataclass(frozen=True, eq=False)
class People:
    """Lasting looks of ``n`` people: sizes against the common body, and colours (n, 3) blue, green, red."""

    tall: np.ndarray
    wide: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    skirt: np.ndarray  # (n,) bool
    pack: np.ndarray  # (n,) bool
    pack_colour: np.ndarray


def draw_people(rng: np.random.Generator, count: int) -> People:
    """Draw the looks of ``count`` people."""

    def shades(palette: np.ndarray) -> np.ndarray:
        chosen = palette[rng.integers(len(palette), size=count)]
        return np.clip(chosen * rng.uniform(0.85, 1.1, (count, 1)) + rng.normal(0, 8, (count, 3)), 5, 250)

    return People(
        tall=rng.uniform(0.9, 1.1, count),
        wide=rng.uniform(1.05, 1.35, count),
        top=shades(_TOPS),
        bottom=shades(_BOTTOMS),
        skin=shades(_SKINS),
        hair=shades(_HAIRS),
        skirt=rng.random(count) < 0.2,
        pack=rng.random(count) < 0.3,
        pack_colour=shades(_TOPS),
    )


def person_boxes(position: np.ndarray, heading: np.ndarray) -> Boxes:
    """Footprints of people at ``position`` (n, 2)."""
    return Boxes(position, np.full(position.shape, 0.22), heading)


def _joints(people: People, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Where the joints of walking people are, (n, 20, 3), before they are placed."""
    swing = 0.55 * np.clip(speed / 1.2, 0, 1.1)
    joints = np.zeros((len(speed), 20, 3))
    for side, sign in ((0, 1), (1, -1)):
        step = phase + np.pi * side
        thigh = swing * np.sin(step)
        shin = thigh - swing * (0.35 + 0.75 * np.maximum(np.cos(step), 0))
        arm = -0.9 * thigh
        _chain(joints, (HIP_L + side, KNEE_L + side, FOOT_L + side), (0, 0.1 * sign, 0.9), (thigh, shin), (0.43, 0.42))
        joints[:, TOE_L + side] = joints[:, FOOT_L + side] + (0.15, 0.01 * sign, -0.02)
        elbow = (SHOULDER_L + side, ELBOW_L + side, HAND_L + side)
        _chain(joints, elbow, (0, 0.2 * sign, 1.4), (arm, arm + 0.35), (0.29, 0.26))
        joints[:, [ELBOW_L + side, HAND_L + side], 1] += 0.05 * sign
    joints[:, [NECK, HEAD, CHIN, HAIR]] = [(0, 0, 1.48), (0.02, 0, 1.63), (0.04, 0, 1.56), (-0.025, 0, 1.665)]
    joints[:, [BACK, HEM]] = [(-0.2, 0, 1.22), (0, 0, 0.55)]
    joints[..., 2] += 0.03 * np.cos(2 * phase)[:, None] * np.minimum(speed, 1)[:, None]
    return joints * np.stack([people.tall, people.wide * people.tall, people.tall], -1)[:, None]


def _chain(joints: np.ndarray, chain: tuple, root: tuple, angles: tuple, lengths: tuple) -> None:
    """Hang two limbs from ``root``, each swung forward by its angle."""
    joints[:, chain[0]] = root
    for upper, lower, angle, length in zip(chain, chain[1:], angles, lengths, strict=False):
        hang = np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], -1)
        joints[:, lower] = joints[:, upper] + length * hang


def person_items(people: People, camera: Camera, pose: tuple[np.ndarray, ...], light: np.ndarray) -> list[Item]:
    """What to paint of each of ``people``; ``pose`` is position, heading, speed, phase; ``light`` (n,)."""
    position, heading, speed, phase = pose
    if not len(position):
        return []
    view = camera.view(place(_joints(people, speed, phase), position, heading))
    radii = _RADII * (people.wide * people.tall)[:, None] * camera.focal / np.maximum(view[..., 2], NEAR)
    centres, radii = camera.pixels(view), radii[..., None]
    rings = centres[:, :, None] + radii[..., None] * CIRCLE
    low, high = (centres - radii).min(axis=1), (centres + radii).max(axis=1)
    coarse = ((high - low).max(axis=1) < _COARSE).tolist()
    left_is_far = (view[:, SHOULDER_L, 2] > view[:, SHOULDER_R, 2]).tolist()
    from_behind = (view[:, BACK, 2] < view[:, NECK, 2]).tolist()
    colours = [getattr(people, look) for look in _LOOKS]
    colours.append(np.full_like(people.top, 38))
    palette = np.clip(np.stack(colours, axis=1) * light[:, None, None], 0, 250)
    joints, items = fixed(rings), []
    for index, paints in enumerate(palette.tolist()):
        kind = (left_is_far[index], from_behind[index], bool(people.skirt[index]), bool(people.pack[index]))
        strokes = []
        for members, look, shade in _parts(*kind, coarse[index]):
            hull = cv2.convexHull(joints[index, members].reshape(-1, 2))[:, 0]
            blue, green, red = paints[look]
            strokes.append((hull, (blue * shade, green * shade, red * shade, 255)))
        items.append(Item(strokes, *low[index].tolist(), *high[index].tolist()))
    return items


@lru_cache(maxsize=32)
def _parts(left_is_far: bool, from_behind: bool, skirt: bool, pack: bool, coarse: bool) -> list[tuple]:
    """A body's parts from far to near: the joints whose hull it is, whose colour, how much light."""
    far, near = (0, 1) if left_is_far else (1, 0)
    shin = SKIN if skirt else BOTTOM

    def leg(side: int, shade: float) -> list[tuple]:
        if coarse:
            return [((HIP_L + side, KNEE_L + side, FOOT_L + side), BOTTOM, shade)]
        return [
            ((FOOT_L + side, TOE_L + side), SHOE, shade),
            ((KNEE_L + side, FOOT_L + side), shin, shade * 0.95),
            ((HIP_L + side, KNEE_L + side), BOTTOM, shade),
        ]

    def arm(side: int, shade: float) -> list[tuple]:
        if coarse:
            return [((SHOULDER_L + side, ELBOW_L + side, HAND_L + side), TOP, shade)]
        return [
            ((HAND_L + side,), SKIN, shade),
            ((ELBOW_L + side, HAND_L + side), TOP, shade * 0.95),
            ((SHOULDER_L + side, ELBOW_L + side), TOP, shade),
        ]

    bag = [((BACK,), PACK, 1.0)] if pack else []
    dress = [((HIP_L, HIP_R, HEM), BOTTOM, 1.05)] if skirt else []
    body = [*dress, ((SHOULDER_L, SHOULDER_R, HIP_L, HIP_R), TOP, 1.0)]
    trunk = [*body, *bag] if from_behind else [*bag, *body]
    neck, hair, face = ((NECK,), SKIN, 0.85), ((HAIR,), HAIR_LOOK, 1.0), ((HEAD, CHIN), SKIN, 1.0)
    head = [face, hair] if from_behind else [hair, face]
    parts = [*leg(far, 0.75), *leg(near, 1.0), *arm(far, 0.75), *trunk, *arm(near, 0.92)]
    parts += head if coarse else [neck, *head]
    return [(list(joints), look, shade) for joints, look, shade in parts]


def person_shadows(shadow: np.ndarray, position: np.ndarray, tall: np.ndarray) -> np.ndarray:
    """People's shadows on the ground, (n, 36, 2) metres: their hulls are those of feet, chest and head laid down.

    ``shadow`` (2,) is where a metre of height throws its shadow.
    """
    heights = np.array([0.05, 1.2, 1.62])[:, None] * shadow
    centres = position[:, None] + tall[:, None, None] * heights
    rings = centres[:, :, None] + np.array([0.16, 0.24, 0.12])[:, None, None] * CIRCLE
    return rings.reshape(len(position), -1, 2)
