"""``sources``: where tracking data comes from, what its classes mean and how it splits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, Positive, Sha256, Share, Text
from stages.params.labels import MOTCHALLENGE_LABELS, WORLD_LABELS

Split = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = ("train", "val", "test")

# A source's class maps onto one of `classes`, or onto one of these roles.
ROLES: tuple[str, ...] = ("distractor", "region", "drop")


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
    def known_labels(self) -> dict[int, str]:
        """Class number in gt.txt to the class's own name."""
        return WORLD_LABELS


class Take(Block):
    """What is fetched of a source: which sequences, how many frames of each, every how many-th frame.

    A number of sequences takes the first so many in the order of a hash of their names: a larger one only adds.
    """

    sequences: tuple[Text, ...] | Count | None = None
    frames: Count | None = None
    stride: Count = 1


class Range(Block):
    """A named piece of one long sequence, first to last frame (from 1, both included), with its split."""

    frames: tuple[Count, Count]
    split: Split


class FileSource(Block):
    """Tracking data in files, whatever their format: local, over HTTPS or in S3, in folders, ZIPs or single files."""

    path: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    sha256: Sha256 | tuple[Sha256, ...] | None = None  # one for every path
    endpoint_url: Text | None = None
    anonymous: bool = False
    fps: Positive | None = None  # where the data does not say it, or says it wrong
    classes: dict[Text, Text]
    splits: dict[Split, Share | tuple[Text, ...]] | None = None  # None: the source's own
    ranges: dict[Text, dict[Name, Range]] = Field(default_factory=dict)
    gap: Annotated[int, Field(ge=0)] = 0
    take: Take = Take()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of `path`."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def hashes(self) -> tuple[str | None, ...]:
        """The sha256 of every path, None where params.yaml gives none."""
        given = (self.sha256,) if isinstance(self.sha256, str) else self.sha256
        return given or (None,) * len(self.paths)

    @property
    def known_labels(self) -> dict[int, str] | None:
        """Class number to name where the format fixes them; None: the data says it."""
        return None


class MotChallengeSource(FileSource):
    """MOTChallenge sequences: MOT15, MOT16, MOT17, MOT20, DanceTrack, SportsMOT and whatever is laid out like them."""

    format: Literal["motchallenge"]
    labels: dict[int, Text] = MOTCHALLENGE_LABELS

    @property
    def known_labels(self) -> dict[int, str]:
        """Those of params.yaml."""
        return self.labels


Source = Annotated[WorldSource | MotChallengeSource, Field(discriminator="format")]
