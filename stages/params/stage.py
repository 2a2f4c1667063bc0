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
    """Random changes to a training frame."""

    flip: Share = 0.5  # chance of a left-right flip
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.3  # zoom by 1 - scale to 1 + scale
    translate: Annotated[float, Field(ge=0, lt=1)] = 0.1  # shift by up to this share of the image
    colour: Share = 0.4  # strength of hue, saturation and brightness jitter


class Memory(Block):
    """What decides how much memory a step takes, and how fast it runs."""

    batch: Count
    accumulate: Count = 1
    image_size: Annotated[int, Field(ge=32, multiple_of=32)]
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    workers: Annotated[int, Field(ge=0)] = 0


class Stage(Block):
    """How one stage of the curriculum trains."""

    mixture: Mixture
    epochs: Count
    lr: Positive
    lr_backbone: NonNegative | None = None
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    lr_drop: Count | None = None
    warmup: NonNegative = 0.0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegative = 5.0e-4
    clip_norm: Positive | None = 10.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    freeze: tuple[Literal["backbone", "neck", "head"], ...] = ()
    freeze_batchnorm: bool = False
    augment: Augment = Augment()
    validate_every: Count = 1
    select: Literal["best", "last"] = "best"
    metric: Literal["mAP", "mAP50"] = "mAP"
    min_loaded: Share = 0.95
    memory: Memory
