"""``sources``: where tracking data comes from, what its classes mean and how it splits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, Positive, Sha256, Share, Text
from stages.params.labels import (
    BDD100K_LABELS,
    KITTI_LABELS,
    MOTCHALLENGE_LABELS,
    MTMMC_LABELS,
    VIDEO_LABELS,
    VISDRONE_LABELS,
    WORLD_LABELS,
)

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


class Bdd100kSource(FileSource):
    """BDD100K MOT 2020: Scalabel JSON, and frames; `path` may list the labels' and the images' archives."""

    format: Literal["bdd100k"]
    fps: Positive = 5.0  # at which it is annotated

    @property
    def known_labels(self) -> dict[int, str]:
        """BDD100K's categories, and its crowds."""
        return BDD100K_LABELS


class VisDroneSource(FileSource):
    """VisDrone-MOT, which needs `fps`, or VisDrone-DET, whose images are sequences of length one."""

    format: Literal["visdrone"]

    @property
    def known_labels(self) -> dict[int, str]:
        """VisDrone's categories."""
        return VISDRONE_LABELS


class KittiSource(FileSource):
    """KITTI tracking: the left colour camera's images and labels."""

    format: Literal["kitti"]
    fps: Positive = 10.0

    @property
    def known_labels(self) -> dict[int, str]:
        """KITTI's types."""
        return KITTI_LABELS


class MtmmcSource(FileSource):
    """MTMMC: every camera of every scene a sequence, named `s01-c03`."""

    format: Literal["mtmmc"]
    fps: Positive = 23.0

    @property
    def known_labels(self) -> dict[int, str]:
        """People only."""
        return MTMMC_LABELS


class VideoSource(FileSource):
    """Video files, each with its ground truth in MOTChallenge's columns beside it."""

    format: Literal["video"]
    labels: dict[int, Text] = VIDEO_LABELS

    @property
    def known_labels(self) -> dict[int, str]:
        """Those of params.yaml."""
        return self.labels


class ListedSource(FileSource):
    """What formats share whose files list images by path: which files those are, and where the images lie."""

    annotations: dict[Split, Text] | None = None  # a split's file; None: every such file, its split by its name
    images: Text | None = None  # the folder that images are looked for in; None: anywhere


class CocoSource(ListedSource):
    """COCO JSON: still images, or with `videos` in it (COCO-Video, TAO, YouTube-VIS) sequences."""

    format: Literal["coco"]


class JsonlSource(ListedSource):
    """One image a line, with boxes in shares of its width and height."""

    format: Literal["jsonl"]


class YoloSource(FileSource):
    """A YOLO data set: data.yaml, images, and beside them labels in shares of an image's width and height."""

    format: Literal["yolo"]
    data: Text | None = None  # None: the one YAML file that holds `names`
    sequences: bool = False  # every folder of images is a sequence, not every image


Source = Annotated[
    WorldSource
    | MotChallengeSource
    | Bdd100kSource
    | VisDroneSource
    | KittiSource
    | MtmmcSource
    | VideoSource
    | CocoSource
    | JsonlSource
    | YoloSource,
    Field(discriminator="format"),
]
