"""Tracker params that are each valid and together make no sense: options that nothing would read, and appearance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.params.trackers import ByteTrack, OcSort, Sfsort, StrongSort, Tracker

if TYPE_CHECKING:
    from stages.params.model import Params

Finding = tuple[tuple, str, str]

_MOTION_ALONE = (ByteTrack, OcSort, Sfsort)

# Options that act only while another one has a value: that option, the value, and BoxMOT's default of it.
_GTA = ("gta_enabled", True, False)
_SECOND_PASS = ("use_second_pass", True, True)
_CORRECTION = ("with_longterm_reid_correction", True, True)
_DYNAMIC = ("dynamic_tuning", True, False)
_AMS = ("ams_enabled", True, True)
NEEDED: dict[str, dict[str, tuple[tuple[str, bool, bool], ...]]] = {
    "ocsort": {"min_conf": (("use_byte", True, False),)},
    "botsort": {"cmc_method": (("use_cmc", True, True),)},
    "deepocsort": {"aw_param": (("aw_off", False, False),)},
    "hybridsort": {
        "low_thresh": (("use_byte", True, False),),
        "TCM_byte_step": (("use_byte", True, False),),
        "TCM_byte_step_weight": (("use_byte", True, False), ("TCM_byte_step", True, True)),
        "EG_weight_low_score": (("use_byte", True, False),),
        "inertia": (("TCM_first_step", True, True),),
        "EG_weight_high_score": (("TCM_first_step", True, True),),
        "with_longterm_reid": (("TCM_first_step", True, True),),
        "longterm_reid_weight": (("with_longterm_reid", True, True),),
        "longterm_bank_seconds": (("with_longterm_reid", True, True),),
        "longterm_reid_correction_thresh": (_CORRECTION,),
        "longterm_reid_correction_thresh_low": (_CORRECTION, ("use_byte", True, False)),
    },
    "boosttrack": {
        "cmc_method": (("use_cmc", True, True),),
        "use_rich_s": (("use_dlo_boost", True, True),),
        "use_sb": (("use_dlo_boost", True, True),),
        "use_vt": (("use_dlo_boost", True, True),),
        "dlo_boost_coef": (("use_dlo_boost", True, True), ("use_sb", False, True), ("use_vt", False, True)),
    },
    "sfsort": dict.fromkeys(("cth", "high_th_m", "new_track_th_m", "match_th_first_m"), (_DYNAMIC,)),
}
NEEDED["occluboost"] = NEEDED["boosttrack"] | {
    "track_low_thresh": (_SECOND_PASS,),
    "second_iou_thresh": (_SECOND_PASS,),
    "second_appearance_thresh": (_SECOND_PASS,),
    "second_pass_min_hits": (_SECOND_PASS,),
    "ams_alpha0": (_AMS,),
    "ams_threshold": (_AMS,),
    "ams_buffer_size": (_AMS,),
    "ams_shrink_ratio": (_AMS,),
    "gta_appearance_thresh": (_GTA,),
    "gta_min_track_seconds": (_GTA,),
    "gta_max_gap_seconds": (_GTA,),
    "gta_interpolate": (_GTA,),
    "gta_smooth_tau": (_GTA, ("gta_interpolate", True, False)),
}

# Options that act only beside another one: that option, and how it is written. Margins divide the frame into places
# of two gaps, which are the same, `max_gap`, where the margins' own is not set.
BESIDE = {
    "kf_reference_dt_s": ("variable_dt", "variable_dt: true"),
    "horizontal_margin": ("marginal_gap_seconds", "marginal_gap_seconds"),
    "vertical_margin": ("marginal_gap_seconds", "marginal_gap_seconds"),
}

# Options that act only where the tracker has `reid`.
BY_APPEARANCE: dict[str, tuple[str, ...]] = {
    "botsort": ("proximity_thresh", "appearance_thresh", "unconfirmed_emb_scale"),
    "deepocsort": ("w_association_emb", "alpha_fixed_emb", "aw_off", "aw_param"),
    "hybridsort": (
        "alpha",
        "adapfs",
        "EG_weight_high_score",
        "EG_weight_low_score",
        "longterm_bank_seconds",
        "with_longterm_reid",
        "longterm_reid_weight",
        "with_longterm_reid_correction",
        "longterm_reid_correction_thresh",
        "longterm_reid_correction_thresh_low",
    ),
    "occluboost": (
        "lambda_emb_multiplier",
        "recovery_appearance_thresh",
        "recovery_iou_thresh",
        "recovery_max_age_seconds",
        "feat_alpha",
        "second_appearance_thresh",
        "gta_enabled",
    ),
}
# Thresholds that BoxMOT raises or lowers in silence to keep them in order: low, high, and their defaults.
ORDERED = {"sfsort": (("high_th", "new_track_th", 0.6, 0.7), ("low_th", "high_th", 0.1, 0.6))}


def tracker_findings(params: Params) -> Iterator[Finding]:
    """All findings in ``trackers``, in the order of the file."""
    for name, tracker in params.trackers.items():
        yield from _appearance(params, name, tracker)
        yield from _unread(name, tracker)
        yield from _order(name, tracker)
        if (steps := tracker.postprocess) and steps.max_gap is None and steps.smoothing is None:
            yield ("trackers", name, "postprocess"), "does nothing", "set `max_gap` or `smoothing`, or delete it"


def _appearance(params: Params, name: str, tracker: Tracker) -> Iterator[Finding]:
    place = ("trackers", name, "reid")
    if tracker.reid is None:
        if isinstance(tracker, StrongSort):
            yield ("trackers", name), "StrongSORT tracks by appearance", "name an entry of `reid` in its key `reid`"
        return
    if isinstance(tracker, _MOTION_ALONE):
        yield place, f"`{tracker.type}` tracks by motion alone", "delete it, or choose a tracker that uses appearance"
    elif tracker.reid not in params.reid:
        known = ", ".join(params.reid) or "none"
        yield place, f"no entry `{tracker.reid}` in `reid`", f"add one, or name one that is there ({known})"


def _unread(name: str, tracker: Tracker) -> Iterator[Finding]:
    needed = NEEDED.get(tracker.type, {})
    for option in tracker.options:
        place = ("trackers", name, option)
        if tracker.reid is None and option in BY_APPEARANCE.get(tracker.type, ()):
            yield place, "acts by appearance, and the tracker has no `reid`", "name a `reid`, or delete it"
        for other, value, default in needed.get(option, ()):
            given = getattr(tracker, other)
            if (default if given is None else given) is not value:
                shown = str(value).lower()
                yield place, f"acts only with `{other}: {shown}`", f"set `{other}: {shown}`, or delete it"
        beside, written = BESIDE.get(option, ("type", ""))
        given = getattr(tracker, beside)
        if given is None or given is False:  # 0 is a value
            yield place, f"acts only with `{written}`", f"set `{written}`, or delete it"


def _order(name: str, tracker: Tracker) -> Iterator[Finding]:
    options = tracker.options
    for low, high, low_default, high_default in ORDERED.get(tracker.type, ()):
        lower, upper = options.get(low, low_default), options.get(high, high_default)
        if lower > upper:
            place = ("trackers", name, low if low in options else high)
            yield place, f"`{low}` ({lower:g}) lies above `{high}` ({upper:g})", "lower one, or raise the other"
