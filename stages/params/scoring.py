"""``protocols`` and ``gates``: by which rules a source is scored, and what a curriculum must not lose on it."""

from __future__ import annotations

from typing import Literal

from stages.params.base import Block, NonNegative, Share


class Protocol(Block):
    """The rules by which tracks on one source are scored; see stages/scoring/protocols.py.

    All but `skyward` are benchmarks', and hold only with the roles that protocol_rules.py has for their classes.
    """

    name: Literal["skyward", "mot15", "mot17", "mot20", "dancetrack", "visdrone", "bdd100k", "kitti"] = "skyward"
    min_visibility: Share | None = None  # below it, a target is neither to be found nor a mistake when found
    min_height: NonNegative | None = None  # pixels; the same
    min_area: NonNegative | None = None  # pixels^2; the same


class Gate(Block):
    """Bounds for one source, looked at after every stage of the curriculum that is evaluated."""

    max_forgetting: Share | None = None  # of HOTA, see metrics/curriculum.json
    min_HOTA: Share | None = None  # of the last evaluated checkpoint
    fail: bool = False  # whether a bound that is not kept fails the run, or is only reported
