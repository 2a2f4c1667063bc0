"""``trackers``: BoxMOT's trackers with their options; times in seconds, whatever a sequence's frame rate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Block, Count, Positive, Share

Association = Literal["iou", "giou", "diou", "ciou", "hmiou", "centroid"]


class _Tracker(Block):
    # How long a lost track is kept, in seconds; becomes frames by each sequence's own rate.
    max_gap: Positive = 1.0

    @property
    def options(self) -> dict[str, object]:
        """The options that were set, by BoxMOT's names; what was not set keeps BoxMOT's default."""
        return self.model_dump(exclude={"type", "max_gap"}, exclude_none=True)


class ByteTrack(_Tracker):
    """ByteTrack (arXiv:2110.06864)."""

    type: Literal["bytetrack"]
    min_conf: Share | None = None
    track_thresh: Share | None = None
    match_thresh: Share | None = None
    asso_func: Association | None = None


class OcSort(_Tracker):
    """OC-SORT (arXiv:2203.14360)."""

    type: Literal["ocsort"]
    min_conf: Share | None = None
    det_thresh: Share | None = None
    min_hits: Count | None = None
    delta_t: Count | None = None
    asso_func: Association | None = None
    use_byte: bool | None = None
    inertia: Share | None = None


class BotSort(_Tracker):
    """BoT-SORT (arXiv:2206.14651) by motion alone: no appearance model is run or fetched."""

    type: Literal["botsort"]
    track_high_thresh: Share | None = None
    track_low_thresh: Share | None = None
    new_track_thresh: Share | None = None
    match_thresh: Share | None = None
    second_match_thresh: Share | None = None
    unconfirmed_match_thresh: Share | None = None
    asso_func: Association | None = None
    fuse_first_associate: bool | None = None
    use_cmc: bool | None = None
    cmc_method: Literal["sof", "ecc"] | None = None


Tracker = Annotated[ByteTrack | OcSort | BotSort, Field(discriminator="type")]
