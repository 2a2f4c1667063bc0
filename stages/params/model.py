"""params.yaml as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, NonNegative, Sha256, Share, Text
from stages.params.reid import Reid
from stages.params.scoring import Gate, Protocol
from stages.params.sources import Source
from stages.params.stage import Stage
from stages.params.trackers import Tracker

NETWORKS = "networks"  # the folder of YAML files that describe networks, on which DVC's first stages depend
PRETRAINED = "pretrained"  # the checkpoint that a curriculum starts from


class Detector(Block):
    """The network: a family (stages/detectors has a module for each) and one of its models."""

    family: Literal["yolo", "rtdetr", "fasterrcnn", "ssdlite", "retinanet", "rfdetr", "simple"]
    model: Text


class Weights(Block):
    """Where the first stage's weights come from: `scratch`, `published`, or a path, URL or S3 address.

    All but `scratch` need the file's sha256; `published` is the address of the model's makers.
    """

    path: Text = "scratch"
    sha256: Sha256 | None = None
    endpoint_url: Text | None = None
    anonymous: bool = False


class CurriculumEntry(Block):
    """A stage's place in the curriculum: the checkpoint that it starts from."""

    after: Name


class Detection(Block):
    """How a checkpoint is run over the test sequences."""

    min_score: Share = 0.05
    nms_iou: Annotated[float, Field(gt=0, le=1)] = 0.7
    max_objects: Count = 300
    batch: Count = 8
    image_size: Annotated[int, Field(ge=32, multiple_of=32)] | None = None  # the checkpoint's own, if not set


class Evaluation(Block):
    """Which checkpoints are evaluated on the test splits of all sources, how they detect, and where that runs."""

    checkpoints: Annotated[tuple[Name, ...], Field(min_length=1)]
    detection: Detection
    boxes: Literal["detections", "ground_truth"] = "detections"  # what is tracked; the latter isolates association
    engine: Literal["local", "ray"] = "local"
    address: Text | None = None  # of the Ray cluster: host:port, `auto` where this host is one of its nodes
    gpus: NonNegative = 0.0  # that Ray is asked for, for each sequence that is detected: a share of one, or whole ones


class Compute(Block):
    """The processes that train a stage: one for each device of each host."""

    devices: Count = 1  # of every host
    hosts: tuple[Text, ...] = ()  # several: their names, the first leads; the stage is started on each of them
    port: Annotated[int, Field(ge=1024, le=65535)] = 29500  # on which the first host listens, if there are several


class Logging(Block):
    """Where training is logged to besides the pipeline's own files; nothing by default."""

    folder: Text = "runs"  # for what the loggers write; git and DVC leave it out
    tensorboard: bool = False
    dvclive: bool = False
    mlflow: Text | None = None  # a folder for its files, or the address of a server


class Videos(Block):
    """What is filmed of every checkpoint, with the first tracker."""

    sequences: Annotated[int, Field(ge=0)] = 1  # of each source, the first of the test split
    seconds: Annotated[float, Field(gt=0)] = 60.0  # of a sequence, at most
    moments: Annotated[int, Field(ge=0, le=100)] = 10  # the worst, from all test sequences


class Explain(Block):
    """How many mistakes are explained of every checkpoint: of each source, so many misses and so many false alarms."""

    mistakes: Annotated[int, Field(ge=0)] = 3


class Report(Block):
    """What plots/report.html is told besides what the pipeline knows."""

    price_per_hour: NonNegative = 0.0  # of the machine
    currency: Text = "USD"


class Params(Block):
    """Everything that params.yaml says; `stages` holds the top-level blocks that `curriculum` names."""

    seed: Annotated[int, Field(ge=0)]
    classes: Annotated[tuple[Name, ...], Field(min_length=1)]
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
    detector: Detector
    weights: Weights
    compute: Compute = Compute()
    logging: Logging = Logging()
    curriculum: Annotated[dict[Name, CurriculumEntry], Field(min_length=1)]
    evaluation: Evaluation
    reid: dict[Name, Reid] = Field(default_factory=dict)
    trackers: dict[Name, Tracker]  # the first is the one by which checkpoints are compared; none: detection alone
    protocols: dict[Name, Protocol] = Field(default_factory=dict)  # by source
    gates: dict[Name, Gate] = Field(default_factory=dict)  # by source
    videos: Videos = Videos()
    explain: Explain = Explain()
    report: Report = Report()
    stages: dict[Name, Stage]

    @property
    def first_tracker(self) -> str | None:
        """The name of the tracker by which checkpoints are compared."""
        return next(iter(self.trackers), None)

    def lineage(self, stage: str) -> tuple[str, ...]:
        """The stages before ``stage``, first one first."""
        after = self.curriculum[stage].after
        return () if after == PRETRAINED else (*self.lineage(after), after)
