"""stages/tracking/options.py: seconds to frames, and what BoxMOT is told."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from stages.params.trackers import BotSort, ByteTrack, OcSort
from stages.tracking.options import boxmot_options, build_tracker, describe, effective_options, gap_frames


@pytest.mark.parametrize(
    "seconds,fps,frames",
    [(2.0, 10, 20), (2.0, 20, 40), (0.3, 10, 3), (1.0, 29.97, 29), (0.05, 10, 1), (0.1, 30, 3), (1.5, 25, 37)],
)
def test_gap_frames(seconds, fps, frames):
    assert gap_frames(seconds, fps) == frames


def test_what_was_not_set_keeps_boxmots_yaml_default():
    options = effective_options(BotSort(type="botsort"), 10)
    assert options["track_high_thresh"] == 0.6296854875023994  # the YAML's; the constructor's is 0.5
    assert options["use_embeddings"] is False
    assert effective_options(OcSort(type="ocsort"), 10)["iou_threshold"] == 0.3


def test_what_was_set_reaches_the_tracker():
    tracker = build_tracker(ByteTrack(type="bytetrack", track_thresh=0.41, min_conf=0.2, asso_func="diou"), 10)
    assert (tracker.track_thresh, tracker.min_conf, tracker.asso_func_name) == (0.41, 0.2, "diou")
    assert build_tracker(BotSort(type="botsort", use_cmc=False), 10).cmc is None


@pytest.mark.parametrize("fps", [5, 10, 24, 25, 29.97, 60])
def test_boxmot_keeps_a_whole_number_of_frames(fps):
    tracker = build_tracker(ByteTrack(type="bytetrack", max_gap=2.0), fps)
    assert tracker.max_time_lost == int(2 * fps)
    assert boxmot_options(OcSort(type="ocsort", max_gap=2.0), fps)["max_age"] == int(2 * fps) - 1


def test_describe_names_every_option():
    said = describe(OcSort(type="ocsort", max_gap=2.0, inertia=0.3), {20.0, 10.0})
    assert (said["type"], said["boxmot"], said["max_gap"]) == ("ocsort", version("boxmot"), 2.0)
    assert said["options"]["inertia"] == 0.3
    assert said["options"]["min_hits"] == 3
    assert said["options_by_fps"] == {"10": {"max_age": 19, "max_obs": 50}, "20": {"max_age": 39, "max_obs": 50}}
