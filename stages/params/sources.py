"""``sources``: where tracking data comes from, what its classes mean and how it splits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, Positive, Sha256, Share, Text

Split = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = ("train", "val", "test")

# A source's class maps onto one of `classes`, or onto one of these roles.
ROLES: tuple[str, ...] = ("distractor", "region", "drop")

# MOT16, MOT17 and MOT20 number their classes so (arXiv:1603.00831, table 3); -1 is MOT15, which has people only.
MOTCHALLENGE_LABELS: dict[int, str] = {
    -1: "pedestrian",
    1: "pedestrian",
    2: "person_on_vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non_motorized_vehicle",
    7: "static_person",
    8: "distractor",
    9: "occluder",
    10: "occluder_on_ground",
    11: "occluder_full",
    12: "reflection",
    13: "crowd",
}
WORLD_LABELS: dict[int, str] = {1: "person", 2: "car", 3: "hidden"}


class SplitCounts(Block):
    """How many sequences of the embedded world each split has."""

    train: Annotated[int, Field(ge=0)] = 0
    val: Annotated[int, Field(ge=0)] = 0
    test: Annotated[int, Field(ge=0)] = 0


class WorldSource(Block):
    """The embedded world, seen by street cameras or by drones."""

    format: Literal["world"]
    view: Literal["street", "air"]
    seed: Annotated[int, Field(ge=0)] = 0
    sequences: SplitCounts
    frames: Count
    width: Annotated[int, Field(ge=64, le=1920)] = 320
    height: Annotated[int, Field(ge=64, le=1080)] = 192
    people: Annotated[int, Field(ge=1, le=200)] = 24
    cars: Annotated[int, Field(ge=1, le=100)] = 8
    classes: dict[Text, Text]

    @property
    def labels(self) -> dict[int, str]:
        """Class number in gt.txt to the class's own name."""
        return WORLD_LABELS


class Take(Block):
    """What is fetched of a source: which sequences, how many frames of each, every how many-th frame."""

    sequences: tuple[Text, ...] | None = None
    frames: Count | None = None
    stride: Count = 1


class Range(Block):
    """A named piece of one long sequence, first to last frame (from 1, both included), with its split."""

    frames: tuple[Count, Count]
    split: Split


class MotChallengeSource(Block):
    """MOTChallenge sequences in a folder or a ZIP, local, over HTTPS or in S3."""

    format: Literal["motchallenge"]
    path: Text
    sha256: Sha256 | None = None
    endpoint_url: Text | None = None
    anonymous: bool = False
    fps: Positive | None = None
    labels: dict[int, Text] = MOTCHALLENGE_LABELS
    classes: dict[Text, Text]
    splits: dict[Split, Share | tuple[Text, ...]] | None = None
    ranges: dict[Text, dict[Name, Range]] = Field(default_factory=dict)
    gap: Annotated[int, Field(ge=0)] = 0
    take: Take = Take()


Source = Annotated[WorldSource | MotChallengeSource, Field(discriminator="format")]
