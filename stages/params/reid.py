"""``reid``: appearance models, trained here on the sources' identities or brought from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, NonNegative, Positive, Sha256, Share, Text

ReidModel = Literal[
    "osnet_x0_25",
    "osnet_x0_5",
    "osnet_x0_75",
    "osnet_x1_0",
    "osnet_ain_x0_25",
    "osnet_ain_x0_5",
    "osnet_ain_x0_75",
    "osnet_ain_x1_0",
    "osnet_ibn_x1_0",
]
Side = Annotated[int, Field(ge=32, le=1024)]


class Reid(Block):
    """An appearance model: trained on `sources`, or read from `path`; `sources` are also what it is scored on."""

    sources: tuple[Name, ...] = ()  # whose identities: of `train` those to learn, of `test` those to find again
    classes: tuple[Name, ...] = ()  # whose crops; all of the pipeline's, if none is named
    min_size: Count = 8  # pixels that a crop has both ways
    min_visibility: Share = 0.5
    per_view: Annotated[int, Field(ge=2)] = 16  # crops of an identity in a view, at most; evenly over time
    model: ReidModel = "osnet_x0_25"
    image_size: tuple[Side, Side] = (256, 128)  # height, width in pixels
    epochs: Count = 20
    identities: Annotated[int, Field(ge=2)] = 8  # of a batch
    crops: Annotated[int, Field(ge=2)] = 4  # of each identity of a batch
    lr: Positive = 3.5e-4
    weight_decay: NonNegative = 5.0e-4
    margin: NonNegative = 0.3  # of the triplet loss
    erasing: Share = 0.5  # of the crops in training, a piece of each
    path: Text | None = None  # a file (.onnx, .pt, .pth, .safetensors), URL or S3 address of a trained model
    sha256: Sha256 | None = None
    endpoint_url: Text | None = None
    anonymous: bool = False
