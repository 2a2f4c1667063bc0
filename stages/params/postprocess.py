"""A tracker's ``postprocess``: what is done to its tracks once a sequence is whole; times in seconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stages.params.base import Block, Positive


class Postprocess(Block):
    """Both steps see a track's future, so they are for recordings; the raw tracks are kept and scored beside."""

    # The longest step from one box of a track to its next that is filled with boxes between the two; null fills none.
    max_gap: Positive | None = 1.0
    # The length over which a track's boxes are taken to change smoothly: what shakes faster than that is taken away.
    smoothing: Annotated[float, Field(gt=0, le=2)] | None = None
