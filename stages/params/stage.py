"""A curriculum stage's own top-level block: its mixture, its training knobs and its memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, NonNegative, Positive, Share


class Budget(Block):
    """How much of a source a stage trains on: a number of frames, or a share of `mixture.frames` less the replay."""

    frames: Count | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None


class Balance(Block):
    """How strongly clips that show what is rare in their source are preferred: 0 as drawn, 1 in full."""

    classes: Share = 0.0  # rare classes
    sizes: Share = 0.0  # rare box sizes: small, medium or large


class Mixture(Block):
    """Which frames a stage sees: budgets per source, clips at intervals in seconds, balance and replay."""

    sources: Annotated[dict[Name, Budget], Field(min_length=1)]
    frames: Count | None = None  # of the whole mixture, replay included, where sources have shares
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.0  # this share of the whole, from the stages before
    balance: Balance = Balance()
    lacks: tuple[Name, ...] = ()  # classes that no training frame of this mixture shows, said on purpose
    clip_length: Count = 1
    intervals: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5,)
    validation_frames: Count = 60
    min_visibility: Share = 0.0


class Augment(Block):
    """Random changes to a training frame; all frames of a clip are changed alike."""

    flip: Share = 0.5  # chance of a left-right flip
    scale: tuple[Positive, Positive] = (0.7, 1.3)  # zoom, from and to
    translate: Annotated[float, Field(ge=0, lt=1)] = 0.1  # shift by up to this share of the image
    colour: Share = 0.4  # strength of hue, saturation and brightness jitter
    crop: Share = 0.0  # chance that a random window of the frame fills the image
    mosaic: Share = 0.0  # chance that three other clips of the mixture share the image
    close_mosaic: Annotated[int, Field(ge=0)] = 0  # this many epochs at the end have none


Side = Annotated[int, Field(ge=32, multiple_of=32)]


class Memory(Block):
    """What decides how much memory a step takes, and how fast it runs."""

    batch: Count
    accumulate: Count = 1
    image_size: Side | Annotated[tuple[Side, ...], Field(min_length=1)]  # several: one is drawn for every step
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    max_objects: Count | None = None  # the largest of a frame that are trained on
    budget_gb: Positive | None = None  # more memory than this is running out of it
    # What may change when memory runs out, always in this order; none: the run ends.
    on_oom: tuple[Literal["gradient_checkpointing", "split", "image_size"], ...] = ("gradient_checkpointing", "split")
    workers: Annotated[int, Field(ge=0)] = 0

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """The sides that steps draw from, ascending; validation and detection take the last."""
        return (self.image_size,) if isinstance(self.image_size, int) else tuple(sorted(set(self.image_size)))


Part = Literal["backbone", "neck", "head"]


class Stage(Block):
    """How one stage of the curriculum trains."""

    mixture: Mixture
    epochs: Count
    lr: Annotated[float, Field(gt=0, le=1.0e38)]  # a float32 holds no more
    lr_backbone: Annotated[float, Field(ge=0, le=1.0e38)] | None = None
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    lr_drop: Count | None = None
    warmup: NonNegative = 0.0
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegative = 1.0e-4
    clip_norm: Positive | None = 10.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    freeze: tuple[Part, ...] = ()
    thaw: Count | None = None  # frozen parts train after this many epochs
    freeze_batchnorm: bool = False
    augment: Augment = Augment()
    validate_every: Count = 1
    patience: Count | None = None  # epochs without a better `metric` after which the stage ends
    select: Literal["best", "last"] = "best"
    metric: Literal["mAP", "mAP50"] = "mAP"
    keep_every: Count | None = None  # epochs between checkpoints that are kept beside the selected one
    compile: bool = False
    min_loaded: Share = 0.95
    memory: Memory
