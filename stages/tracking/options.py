"""From params to BoxMOT: which options a tracker runs with, times turned from seconds into frames."""

from __future__ import annotations

import logging
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from boxmot.trackers import TrackerSpec, create_tracker
from boxmot.trackers.config import load_tracker_config
from boxmot.utils import logger

from stages.params import Tracker

if TYPE_CHECKING:
    from boxmot.trackers import Tracker as BoxmotTracker

# Options that count frames, and so differ between sequences of different frame rates.
TIME_OPTIONS = {
    "bytetrack": ("track_buffer", "frame_rate"),
    "botsort": ("track_buffer", "frame_rate"),
    "ocsort": ("max_age", "max_obs"),
}
# Constructor options that act and that BoxMOT's YAML files leave out.
_UNLISTED = {"ocsort": ("iou_threshold", "max_obs")}

logger.setLevel(logging.WARNING)  # it announces every tracker that is built


def gap_frames(max_gap: float, fps: float) -> int:
    """The longest step, in frames, that a track may take from one detection to its next.

    ``max_gap`` is in seconds, ``fps`` in frames a second. At least 1: neighbouring frames are always linked.
    """
    return max(1, math.floor(max_gap * fps + 1e-6))


def boxmot_options(tracker: Tracker, fps: float) -> dict[str, Any]:
    """What is handed to BoxMOT for a sequence of ``fps`` frames a second; the rest keeps BoxMOT's defaults."""
    frames = gap_frames(tracker.max_gap, fps)
    options = dict(tracker.options)
    if tracker.type == "ocsort":
        # OC-SORT drops a track when it has gone unseen for more than max_age frames, after it has tried to match it.
        options["max_age"] = frames - 1
    else:
        # BoxMOT keeps frame_rate / 30 * track_buffer frames, cut to a whole number: 30 makes that exact.
        options |= {"track_buffer": frames, "frame_rate": 30}
    if tracker.type == "botsort":
        options["use_embeddings"] = False  # by motion alone: BoxMOT would fetch an appearance model
    return options


def build_tracker(tracker: Tracker, fps: float) -> BoxmotTracker:
    """A new BoxMOT tracker, which holds no state of any other."""
    options = boxmot_options(tracker, fps)
    return create_tracker(TrackerSpec(tracker.type, options=tuple(sorted(options.items()))))


def effective_options(tracker: Tracker, fps: float) -> dict[str, Any]:
    """Every option in effect, BoxMOT's defaults included, by BoxMOT's names, sorted."""
    options = load_tracker_config(tracker.type, None, boxmot_options(tracker, fps))
    built = build_tracker(tracker, fps)
    options |= {name: getattr(built, name) for name in _UNLISTED.get(tracker.type, ())}
    return dict(sorted(options.items()))


def describe(tracker: Tracker, rates: set[float]) -> dict[str, Any]:
    """What tracker.json holds: the type, BoxMOT's version, and all options; those in frames per frame rate."""
    effective = {fps: effective_options(tracker, fps) for fps in sorted(rates)}
    timed = TIME_OPTIONS[tracker.type]
    common = next(iter(effective.values()), {})
    return {
        "type": tracker.type,
        "boxmot": version("boxmot"),
        "max_gap": tracker.max_gap,
        "options": {name: value for name, value in common.items() if name not in timed},
        "options_by_fps": {f"{fps:g}": {name: values[name] for name in timed} for fps, values in effective.items()},
    }
