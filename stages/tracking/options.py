"""From params to BoxMOT: which options a tracker runs with, times turned from seconds into frames."""

from __future__ import annotations

import logging
import math
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from boxmot.trackers.config import load_tracker_defaults
from boxmot.trackers.registry import get_tracker_class
from boxmot.utils import logger

from stages.params import Tracker

if TYPE_CHECKING:
    from boxmot.trackers.base import BaseTracker

# Options in seconds: BoxMOT's name of the same in frames, and the least number of frames.
SECONDS = {
    "delta_t_seconds": ("delta_t", 1),
    "nn_budget_seconds": ("nn_budget", 1),
    "longterm_bank_seconds": ("longterm_bank_length", 1),
    "recovery_max_age_seconds": ("recovery_max_age", 1),
    "tentative_max_age_seconds": ("tentative_max_age", 0),
    "gta_min_track_seconds": ("gta_min_track_length", 1),
    "gta_max_gap_seconds": ("gta_max_gap", 1),
    "marginal_gap_seconds": ("marginal_timeout", 0),
}
_LIFETIMES = ("track_buffer", "frame_rate", "max_age", "central_timeout")
# Constructor options that act and that BoxMOT's YAML files leave out, with the constructor's default.
UNLISTED = {"ocsort": {"iou_threshold": 0.3}}
# What BoxMOT's YAML files list and what changes nothing here; see stages/params/trackers.py.
_INERT = ("removed_stracks_buffer", "max_obs", "kf_time_unit", "second_pass_max_age")

logger.setLevel(logging.ERROR)  # it announces every tracker that is built, and every frame without camera motion


def gap_frames(max_gap: float, fps: float) -> int:
    """The longest step, in frames, that a track may take from one detection to its next.

    ``max_gap`` is in seconds, ``fps`` in frames a second. At least 1: neighbouring frames are always linked.
    """
    return max(1, _frames(max_gap, fps))


def _frames(seconds: float, fps: float) -> int:
    return math.floor(seconds * fps + 1e-6)


def boxmot_options(tracker: Tracker, fps: float) -> dict[str, Any]:
    """What is handed to BoxMOT for a sequence of ``fps`` frames a second; the rest keeps BoxMOT's defaults."""
    options = dict(tracker.options)
    for name in SECONDS.keys() & options.keys():
        theirs, least = SECONDS[name]
        options[theirs] = max(least, _frames(options.pop(name), fps))
    options |= _lifetime(tracker, gap_frames(tracker.max_gap, fps), options)
    if "use_embeddings" in load_defaults(tracker.type):
        options["use_embeddings"] = tracker.reid is not None
    return options


def _lifetime(tracker: Tracker, frames: int, options: dict[str, Any]) -> dict[str, Any]:
    """How long lost tracks are kept, so that the longest step between two detections is ``frames``."""
    if tracker.type in ("bytetrack", "botsort"):
        # BoxMOT keeps frame_rate / 30 * track_buffer frames, cut to a whole number: 30 makes that exact.
        return {"track_buffer": frames, "frame_rate": 30}
    if tracker.type == "sfsort":
        return {"central_timeout": frames, "marginal_timeout": options.get("marginal_timeout", frames)}
    # The others drop a track that has gone unseen for more than max_age frames, after they have tried to match it.
    return {"max_age": frames - 1}


@cache
def load_defaults(kind: str) -> dict[str, Any]:
    """BoxMOT's defaults of all options that a kind of tracker reads; parsed once a process."""
    listed = load_tracker_defaults(kind) | UNLISTED.get(kind, {})
    return {name: value for name, value in listed.items() if name not in _INERT and not name.startswith("obb_")}


def build_tracker(tracker: Tracker, fps: float, width: int, height: int) -> BaseTracker:
    """A new BoxMOT tracker for frames of ``width`` x ``height`` pixels, which holds no state of any other."""
    options = load_defaults(tracker.type) | boxmot_options(tracker, fps)
    built = get_tracker_class(tracker.type)(**options)
    built._initialize_frame_dimensions(width=width, height=height)  # as BoxMOT does with the first frame
    if tracker.type == "sfsort":
        built._maybe_set_margins(width, height)
        # Its constructor cuts them to 1000 and 500 frames without a word.
        built.central_timeout, built.marginal_timeout = options["central_timeout"], options["marginal_timeout"]
    if tracker.type == "hybridsort" and not built.longterm_reid_weight:
        built.with_longterm_reid = False  # it would take the mean look of each track's bank, and add none of it
    return built


def effective_options(tracker: Tracker, fps: float) -> dict[str, Any]:
    """Every option in effect, BoxMOT's defaults included, by BoxMOT's names, sorted."""
    return dict(sorted((load_defaults(tracker.type) | boxmot_options(tracker, fps)).items()))


def describe(tracker: Tracker, rates: set[float]) -> dict[str, Any]:
    """What tracker.json holds: the type, BoxMOT's version, and all options; those in frames per frame rate."""
    effective = {fps: effective_options(tracker, fps) for fps in sorted(rates)}
    common = next(iter(effective.values()), {})
    timed = [name for name in common if name in (*_LIFETIMES, *(theirs for theirs, _ in SECONDS.values()))]
    return {
        "type": tracker.type,
        "boxmot": version("boxmot"),
        "max_gap": tracker.max_gap,
        "per_class": tracker.per_class,
        "reid": tracker.reid,
        "camera_motion": tracker.camera_motion,
        "options": {name: value for name, value in common.items() if name not in timed},
        "options_by_fps": {f"{fps:g}": {name: values[name] for name in timed} for fps, values in effective.items()},
    }
