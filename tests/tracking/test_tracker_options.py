"""stages/tracking/options.py: seconds to frames, what BoxMOT is told, and that every option acts."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from inspect import signature
from types import SimpleNamespace

import numpy as np
import pytest
from boxmot.trackers.config import load_tracker_defaults
from boxmot.trackers.registry import get_tracker_class
from tracking_scenes import ALL, BY_APPEARANCE, arrays, busy, looks, make

from stages.params.tracking_rules import BESIDE, NEEDED, ORDERED, tracker_findings
from stages.params.tracking_rules import BY_APPEARANCE as NEED_REID
from stages.tracking.options import (
    SECONDS,
    UNLISTED,
    boxmot_options,
    build_tracker,
    describe,
    effective_options,
    gap_frames,
    load_defaults,
)
from stages.tracking.sequence import track_sequence

LENGTH = 26
CROWD = busy(LENGTH)
CROWD[:, 5] = 0.2 + 0.78 * CROWD[:, 5]
LOOKS = looks(CROWD)
# The camera sways, turns and comes nearer.
SWAY = np.array([[[1.002, 0.004, 2 * np.sin(f)], [-0.004, 1.002, 1.0]] for f in range(LENGTH)])

_KALMAN = {
    "kf_process_position_scale": 30.0,
    "kf_process_velocity_scale": 300.0,
    "kf_measurement_noise_scale": 40.0,
    "kf_initial_position_scale": 50.0,
    "kf_initial_velocity_scale": 0.001,
    "variable_dt": True,
    "kf_reference_dt_s": (0.5, {"variable_dt": True}),
}
_BYTE = {"use_byte": True}
_OFTEN = {"det_thresh": 0.3, "iou_threshold": 0.6}
_FAR = {"reid": None, "lambda_mhd": 9.0, "iou_threshold": 0.05}
_BOOST = {
    "max_gap": 0.2,
    "det_thresh": 0.3,
    "iou_threshold": (0.7, {"reid": None}),
    "min_hits": 2,
    "asso_func": "centroid",
    "use_cmc": False,
    "min_box_area": 1000.0,
    "aspect_ratio_thresh": 0.5,
    "lambda_iou": (30.0, _FAR),
    "lambda_mhd": (30.0, {"reid": None}),
    "lambda_shape": (30.0, {"reid": None}),
    "use_dlo_boost": False,
    "use_duo_boost": {"boosttrack": False, "occluboost": True},
    "dlo_boost_coef": (0.1, {"use_sb": False, "use_vt": False}),
    "s_sim_corr": (True, {"lambda_shape": 3.0, "reid": None, "iou_threshold": 0.0}),
    "use_rich_s": {"boosttrack": False, "occluboost": True},
    "use_sb": False,
    "use_vt": (False, {"det_thresh": 0.7}),
    "adaptive_kf": True,
    **_KALMAN,
}
_SECOND = {"second_iou_thresh": 0.3, "second_appearance_thresh": 0.0, "second_pass_min_hits": 1}
_GTA = {"gta_enabled": True, "max_gap": 0.2, "gta_appearance_thresh": 0.3, "gta_min_track_seconds": 0.1}
# For each tracker, a value for every option that is not its default; behind it others that it needs to act.
OPTIONS: dict[str, dict] = {
    "bytetrack": {
        "max_gap": 0.2,
        "min_conf": 0.4,
        "track_thresh": 0.4,
        "match_thresh": 0.5,
        "asso_func": "centroid",
        **_KALMAN,
    },
    "ocsort": {
        "max_gap": 0.2,
        "min_conf": (0.5, _BYTE),
        "det_thresh": 0.3,
        "iou_threshold": 0.6,
        "min_hits": 1,
        "delta_t_seconds": (0.1, {"inertia": 0.9}),
        "asso_func": "centroid",
        "use_byte": True,
        "inertia": (1.0, {"det_thresh": 0.3}),
        **{name: (value, _OFTEN) for name, value in _KALMAN.items()},
        "kf_initial_position_scale": (1e-4, _OFTEN),
        "kf_reference_dt_s": (0.001, _OFTEN | {"variable_dt": True}),
    },
    "botsort": {
        "max_gap": 0.2,
        "track_high_thresh": 0.4,
        "track_low_thresh": 0.4,
        "new_track_thresh": 0.9,
        "match_thresh": 0.3,
        "second_match_thresh": 0.8,
        "unconfirmed_match_thresh": 0.9,
        "asso_func": "centroid",
        "fuse_first_associate": (False, {"reid": None}),
        "use_cmc": False,
        "proximity_thresh": 0.1,
        "appearance_thresh": 0.01,
        "unconfirmed_emb_scale": (0.1, {"unconfirmed_match_thresh": 0.3}),
        **_KALMAN,
    },
    "strongsort": {
        "max_gap": 0.2,
        "min_conf": 0.3,
        "ema_alpha": (0.1, {"max_cos_dist": 0.1}),
        "max_cos_dist": 0.05,
        "max_iou_dist": 0.2,
        "asso_func": "centroid",
        "n_init": 1,
        "mc_lambda": 0.5,
        "nn_budget_seconds": (0.1, {"max_cos_dist": 0.1, "ema_alpha": 0.1}),
        **_KALMAN,
    },
    "deepocsort": {
        "max_gap": 0.2,
        "det_thresh": 0.3,
        "iou_threshold": 0.6,
        "min_hits": 1,
        "delta_t_seconds": (0.1, {"inertia": 1.0, "reid": None, "iou_threshold": 0.05}),
        "asso_func": "centroid",
        "inertia": (1.0, {"reid": None}),
        "cmc_off": True,
        "w_association_emb": (0.0, {"iou_threshold": 0.05}),
        "alpha_fixed_emb": (0.0, {"w_association_emb": 5.0, "iou_threshold": 0.05}),
        "aw_off": (True, {"w_association_emb": 3.0, "iou_threshold": 0.05}),
        "aw_param": (0.05, {"w_association_emb": 3.0, "iou_threshold": 0.05}),
        **_KALMAN,
    },
    "hybridsort": {
        "max_gap": 0.2,
        "det_thresh": 0.6,
        "low_thresh": (0.35, _BYTE),
        "track_thresh": 0.9,
        "iou_threshold": 0.6,
        "min_hits": 3,
        "delta_t_seconds": (0.1, {"reid": None, "inertia": 1.0}),
        "asso_func": "iou",
        "inertia": (1.0, {"reid": None}),
        "use_byte": (True, {"det_thresh": 0.6}),
        "TCM_first_step": False,
        "TCM_byte_step": (False, {**_BYTE, "reid": None, "det_thresh": 0.7, "iou_threshold": 0.05}),
        "TCM_byte_step_weight": (9.0, {**_BYTE, "reid": None, "det_thresh": 0.7, "iou_threshold": 0.05}),
        "alpha": 0.0,
        "adapfs": (False, {"alpha": 0.5}),
        "EG_weight_high_score": 0.0,
        "EG_weight_low_score": (20.0, {**_BYTE, "det_thresh": 0.7, "iou_threshold": 0.05}),
        "longterm_bank_seconds": (0.1, {"longterm_reid_weight": 9.0}),
        "with_longterm_reid": (False, {"longterm_reid_weight": 9.0}),
        "longterm_reid_weight": 9.0,
        "with_longterm_reid_correction": False,
        "longterm_reid_correction_thresh": 0.01,
        "longterm_reid_correction_thresh_low": (0.01, {**_BYTE, "det_thresh": 0.7, "iou_threshold": 0.05}),
        **_KALMAN,
    },
    "boosttrack": _BOOST,
    "occluboost": _BOOST
    | {
        "lambda_emb_multiplier": 0.0,
        "recovery_appearance_thresh": 0.99,
        "recovery_iou_thresh": 0.9,
        "recovery_max_age_seconds": 0.1,
        "feat_alpha": (0.0, {"recovery_appearance_thresh": 0.3, "recovery_iou_thresh": 0.0}),
        "track_low_thresh": (0.5, _SECOND),
        "use_second_pass": (False, _SECOND),
        "second_iou_thresh": (0.95, _SECOND),
        "second_appearance_thresh": (0.99, _SECOND),
        "second_pass_min_hits": (20, _SECOND),
        "new_track_thresh": 0.9,
        "confirm_hits": (5, {"instant_confirm_thresh": 0.95}),
        "instant_confirm_thresh": 0.95,
        "tentative_max_age_seconds": (0.0, {"instant_confirm_thresh": 0.9, "confirm_hits": 4}),
        "duplicate_iou_thresh": 0.2,
        "ams_enabled": (False, {"ams_alpha0": 0.0, "ams_shrink_ratio": 1.0}),
        "ams_alpha0": (0.0, {"ams_shrink_ratio": 1.0}),
        "ams_threshold": (50.0, {"ams_alpha0": 0.0, "ams_shrink_ratio": 1.0}),
        "ams_buffer_size": (3, {"ams_alpha0": 0.0, "ams_shrink_ratio": 1.0}),
        "ams_shrink_ratio": (1.0, {"ams_alpha0": 0.0}),
        "gta_enabled": (True, {"max_gap": 0.2}),
        "gta_appearance_thresh": (0.99, _GTA),
        "gta_min_track_seconds": (3.0, _GTA),
        "gta_max_gap_seconds": (0.1, _GTA),
        "gta_interpolate": (True, _GTA),
        "gta_smooth_tau": (0.0, _GTA | {"gta_interpolate": True}),
    },
    "sfsort": {
        "max_gap": 0.2,
        "high_th": 0.4,
        "low_th": 0.4,
        "new_track_th": 0.9,
        "match_th_first": 0.3,
        "match_th_second": 0.9,
        "asso_func": "centroid",
        "dynamic_tuning": True,
        "cth": (0.9, {"dynamic_tuning": True, "new_track_th_m": 0.08, "high_th_m": 0.1}),
        "high_th_m": (0.1, {"dynamic_tuning": True}),
        "new_track_th_m": (0.08, {"dynamic_tuning": True}),
        "match_th_first_m": (0.08, {"dynamic_tuning": True, "match_th_first": 0.3}),
        "marginal_gap_seconds": (0.1, {"horizontal_margin": 100.0}),
        "horizontal_margin": (100.0, {"marginal_gap_seconds": 0.1}),
        "vertical_margin": (60.0, {"marginal_gap_seconds": 0.1}),
    },
}
_ELSEWHERE = {"type", "reid", "per_class", "postprocess", "cmc_method"}  # the method acts on the stored warps


@cache
def _tracks(kind: str, options: tuple) -> np.ndarray:
    tracker = make(kind, per_class=False, **dict(options))
    given = arrays(CROWD, LOOKS if kind in BY_APPEARANCE else None, SWAY, length=LENGTH)
    return track_sequence(given, tracker, 2)


@pytest.mark.parametrize("kind", ALL)
def test_every_option_acts(kind):
    idle = []
    for option in OPTIONS[kind]:
        value, others = _setting(kind, option)
        before = _tracks(kind, tuple(others.items()))
        after = _tracks(kind, tuple((others | {option: value}).items()))
        if before.shape == after.shape and np.array_equal(before, after):
            idle.append(option)
    assert idle == []


def _setting(kind: str, option: str) -> tuple[object, dict]:
    """The value that is tried of an option, and the others that it is tried with."""
    setting = OPTIONS[kind][option]
    value, others = setting if isinstance(setting, tuple) else (setting, {})
    return value[kind] if isinstance(value, dict) else value, others


@pytest.mark.parametrize("kind", ALL)
def test_options_are_tried_where_params_may_have_them(kind):
    for option in OPTIONS[kind]:
        value, others = _setting(kind, option)
        assert ("trackers", "mine", option) not in _findings(kind, others | {option: value})


@pytest.mark.parametrize("option", BESIDE)
def test_what_acts_only_beside_another_option_is_refused_alone_and_does_nothing(option):
    for kind in (kind for kind in ALL if option in OPTIONS[kind]):
        alone = {option: _setting(kind, option)[0]}
        assert np.array_equal(_tracks(kind, tuple(alone.items())), _tracks(kind, ()))
        assert _findings(kind, alone) == [("trackers", "mine", option)]


def _findings(kind: str, options: dict) -> list[tuple]:
    params = SimpleNamespace(trackers={"mine": make(kind, **options)}, reid={"looks": None})
    return [place for place, _, _ in tracker_findings(params)]


@pytest.mark.parametrize("kind", ALL)
def test_every_option_is_tried(kind):
    assert set(OPTIONS[kind]) == set(type(make(kind)).model_fields) - _ELSEWHERE


@pytest.mark.parametrize("kind", ALL)
def test_every_option_of_boxmots_files_is_one_here_or_left_out_on_purpose(kind):
    ours = {SECONDS.get(name, (name,))[0] for name in type(make(kind)).model_fields}
    set_by_us = {"track_buffer", "frame_rate", "max_age", "central_timeout", "use_embeddings"}
    left_out = {"max_obs", "removed_stracks_buffer", "kf_time_unit", "second_pass_max_age"}
    listed = {name for name in load_tracker_defaults(kind) if not name.startswith("obb_")}
    assert listed <= ours | set_by_us | left_out


@pytest.mark.parametrize("kind", ALL)
def test_what_boxmot_makes_of_an_option_it_does_not_have_cannot_happen(kind):
    constructor = get_tracker_class(kind)
    known = {name for owner in constructor.__mro__[:-1] for name in signature(owner.__init__).parameters}
    assert set(boxmot_options(make(kind), 10)) | set(load_defaults(kind)) <= known


def test_defaults_that_the_rules_know_are_boxmots():
    for kind, needed in NEEDED.items():
        for option, others in needed.items():
            assert {option, *(name for name, _, _ in others)} <= set(type(make(kind)).model_fields)
            assert all(load_defaults(kind)[name] is default for name, _, default in others)
    for kind, pairs in ORDERED.items():
        for low, high, low_default, high_default in pairs:
            assert (load_defaults(kind)[low], load_defaults(kind)[high]) == (low_default, high_default)
    for kind, defaults in UNLISTED.items():
        built = get_tracker_class(kind)()
        assert {name: getattr(built, name) for name in defaults} == defaults


@pytest.mark.parametrize("kind", NEED_REID)
def test_what_acts_by_appearance_does_nothing_without(kind):
    plain = _tracks(kind, (("reid", None),))
    for option in NEED_REID[kind]:
        value, _ = _setting(kind, option)
        assert np.array_equal(_tracks(kind, (("reid", None), (option, value))), plain), option


@pytest.mark.parametrize(
    "seconds,fps,frames",
    [(2.0, 10, 20), (2.0, 20, 40), (0.3, 10, 3), (1.0, 29.97, 29), (0.05, 10, 1), (0.1, 30, 3), (1.5, 25, 37)],
)
def test_gap_frames(seconds, fps, frames):
    assert gap_frames(seconds, fps) == frames


@pytest.mark.parametrize(
    "kind,option,theirs,least",
    [
        ("ocsort", "delta_t_seconds", "delta_t", 1),
        ("strongsort", "nn_budget_seconds", "nn_budget", 1),
        ("hybridsort", "longterm_bank_seconds", "longterm_bank_length", 1),
        ("occluboost", "tentative_max_age_seconds", "tentative_max_age", 0),
        ("sfsort", "marginal_gap_seconds", "marginal_timeout", 0),
    ],
)
def test_seconds_become_frames(kind, option, theirs, least):
    for fps, frames in ((5, 2), (10, 5), (30, 15), (1, least)):
        assert boxmot_options(make(kind, **{option: 0.5}), fps)[theirs] == frames
        assert option not in boxmot_options(make(kind, **{option: 0.5}), fps)


def test_what_was_not_set_keeps_boxmots_yaml_default():
    options = effective_options(make("botsort", reid=None), 10)
    assert options["track_high_thresh"] == 0.6296854875023994  # the YAML's; the constructor's is 0.5
    assert options["use_embeddings"] is False
    assert effective_options(make("ocsort"), 10)["iou_threshold"] == 0.3


def test_what_was_set_reaches_the_tracker():
    tracker = build_tracker(make("bytetrack", track_thresh=0.41, min_conf=0.2, asso_func="diou"), 10, 320, 192)
    assert (tracker.track_thresh, tracker.min_conf, tracker.asso_func_name) == (0.41, 0.2, "diou")
    assert build_tracker(make("hybridsort", TCM_byte_step=False), 10, 320, 192).TCM_byte_step is False


@pytest.mark.parametrize("fps", [5, 10, 24, 25, 29.97, 60])
def test_boxmot_keeps_a_whole_number_of_frames(fps):
    for kind in ("bytetrack", "botsort"):
        assert build_tracker(make(kind, max_gap=2.0), fps, 320, 192).max_time_lost == int(2 * fps)
    assert build_tracker(make("ocsort", max_gap=2.0), fps, 320, 192).max_age == int(2 * fps) - 1


def test_sfsorts_limits_do_not_cut_max_gap():
    tracker = build_tracker(make("sfsort", max_gap=60.0), 30, 320, 192)
    assert (tracker.central_timeout, tracker.marginal_timeout) == (1800, 1800)


def test_describe_names_every_option():
    said = describe(make("ocsort", max_gap=2.0, inertia=0.3), {20.0, 10.0})
    assert (said["type"], said["boxmot"], said["max_gap"]) == ("ocsort", version("boxmot"), 2.0)
    assert (said["per_class"], said["reid"], said["camera_motion"]) == (True, None, None)
    assert said["options"]["inertia"] == 0.3
    assert said["options"]["min_hits"] == 3
    assert said["options_by_fps"] == {"10": {"delta_t": 3, "max_age": 19}, "20": {"delta_t": 3, "max_age": 39}}


def test_describe_names_appearance_and_camera_motion():
    said = describe(make("occluboost", gta_max_gap_seconds=2.0), {10.0})
    assert (said["reid"], said["camera_motion"]) == ("looks", "sof")
    assert said["options"]["use_embeddings"] is True
    assert not [name for name in said["options"] if name.startswith("obb_")]
    assert said["options_by_fps"]["10"]["gta_max_gap"] == 20
