"""``reid``: appearance models, trained here on the sources' identities or brought from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, NonNegative, Positive, Sha256, Text

ReidModel = Literal[
    "osnet_x0_25",
    "osnet_x0_5",
    "osnet_x0_75",
    "osnet_x1_0",
    "osnet_ain_x1_0",
    "osnet_ibn_x1_0",
]


class Reid(Block):
    """An appearance model: trained on crops of `sources`, or read from `path`; one of the two."""

    classes: tuple[Name, ...] = ()  # whose crops it is trained on; all of the pipeline's, if none is named
    sources: tuple[Name, ...] = ()  # whose identities
    model: ReidModel = "osnet_x0_25"
    image_size: tuple[Count, Count] = (256, 128)  # height, width in pixels
    epochs: Count = 20
    identities: Annotated[int, Field(ge=2)] = 8  # of a batch
    crops: Annotated[int, Field(ge=2)] = 4  # of each identity in a batch, and no more than so many a track take part
    lr: Positive = 3.5e-4
    weight_decay: NonNegative = 5.0e-4
    margin: NonNegative = 0.3  # of the triplet loss
    path: Text | None = None  # a file (.onnx, .pt, .pth, .safetensors), URL or S3 address of a trained model
    sha256: Sha256 | None = None
    endpoint_url: Text | None = None
    anonymous: bool = False
