"""``trackers``: BoxMOT's box trackers with the options that act, times in seconds.

An option has BoxMOT's name and meaning and, where it is not set, BoxMOT's default. One exception: what BoxMOT counts
in frames, a time, is named `*_seconds` here and becomes frames by each sequence's own rate. What counts
observations stays a count: `min_hits`, `n_init`, `confirm_hits`, `second_pass_min_hits`, `ams_buffer_size`.

Options of BoxMOT that are not here:
- `track_buffer`, `frame_rate`, `max_age`, `central_timeout`: set by `max_gap`; `max_obs` grows with it by itself.
- `use_embeddings`: set by `reid`. `kf_time_unit`: set by `variable_dt`. `frame_width`, `frame_height`: the sequence's.
- `removed_stracks_buffer` (BoT-SORT): lost tracks are struck off at once, so nothing is left in that buffer.
- `second_pass_max_age` (OccluBoost): beyond one frame `second_pass_min_hits`, of hits in a row, is never met.
- `obb_*`, `is_obb`: for turned boxes only. `max_age`, `min_hits`, `iou_threshold`, `det_thresh` where the base class
  takes them and the tracker reads none of them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.params.base import Block, Count, Name, NonNegative, Positive, Share
from stages.params.postprocess import Postprocess

Association = Literal["iou", "giou", "diou", "ciou", "hmiou", "centroid"]
CameraMotion = Literal["sof", "ecc"]  # sparse optical flow (turns, scale and shift), or image correlation (shift)


class _Tracker(Block):
    """What every tracker has."""

    _camera: ClassVar[CameraMotion | None] = None  # BoxMOT's default method of estimating the camera's motion
    # How long a lost track is kept: the longest time from one of its detections to the next.
    max_gap: Positive = 1.0
    per_class: bool = True  # a tracker for each class, or one for all, whose tracks take the class of their detections
    reid: Name | None = None  # an entry of `reid`: its embeddings tell who is who; motion alone where it is not set
    postprocess: Postprocess | None = None  # done to the tracks once a sequence is whole, beside the raw ones

    @property
    def options(self) -> dict[str, object]:
        """The options that were set, by their names here; what was not set keeps BoxMOT's default."""
        common = set(_Tracker.model_fields) | {"type"}
        return self.model_dump(exclude=common, exclude_none=True)

    @property
    def camera_motion(self) -> str | None:
        """The method of estimating the camera's motion that the tracker compensates for, if it does."""
        off = getattr(self, "use_cmc", None) is False or getattr(self, "cmc_off", None)
        return None if off else getattr(self, "cmc_method", None) or self._camera


class _Kalman(_Tracker):
    """A tracker that predicts boxes with a Kalman filter: multipliers of the filter's covariances."""

    kf_process_position_scale: Positive | None = None
    kf_process_velocity_scale: Positive | None = None
    kf_measurement_noise_scale: Positive | None = None
    kf_initial_position_scale: Positive | None = None
    kf_initial_velocity_scale: Positive | None = None
    variable_dt: bool | None = None  # predict in seconds, so that noise grows with time and not with frames
    kf_reference_dt_s: Positive | None = None  # the frame interval, in seconds, for which the noise was tuned


class ByteTrack(_Kalman):
    """ByteTrack (arXiv:2110.06864)."""

    type: Literal["bytetrack"]
    min_conf: Share | None = None
    track_thresh: Share | None = None
    match_thresh: Share | None = None
    asso_func: Association | None = None


class OcSort(_Kalman):
    """OC-SORT (arXiv:2203.14360)."""

    type: Literal["ocsort"]
    min_conf: Share | None = None
    det_thresh: Share | None = None
    iou_threshold: Share | None = None
    min_hits: Count | None = None
    delta_t_seconds: Positive | None = None
    asso_func: Association | None = None
    use_byte: bool | None = None
    inertia: Share | None = None


class BotSort(_Kalman):
    """BoT-SORT (arXiv:2206.14651)."""

    _camera: ClassVar[CameraMotion | None] = "sof"
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
    cmc_method: CameraMotion | None = None
    proximity_thresh: Share | None = None
    appearance_thresh: Share | None = None
    unconfirmed_emb_scale: Positive | None = None


class StrongSort(_Kalman):
    """StrongSORT (arXiv:2202.13514); always by appearance."""

    _camera: ClassVar[CameraMotion | None] = "ecc"
    type: Literal["strongsort"]
    min_conf: Share | None = None
    ema_alpha: Share | None = None
    max_cos_dist: Annotated[float, Field(gt=0, le=2)] | None = None
    max_iou_dist: Annotated[float, Field(gt=0, le=1)] | None = None
    asso_func: Association | None = None
    n_init: Count | None = None
    mc_lambda: Share | None = None
    nn_budget_seconds: Positive | None = None  # for how long the looks of a track are remembered


class DeepOcSort(_Kalman):
    """Deep OC-SORT (arXiv:2302.11813)."""

    _camera: ClassVar[CameraMotion | None] = "sof"
    type: Literal["deepocsort"]
    det_thresh: Share | None = None
    iou_threshold: Share | None = None
    min_hits: Count | None = None
    delta_t_seconds: Positive | None = None
    asso_func: Association | None = None
    inertia: Share | None = None
    cmc_off: bool | None = None
    w_association_emb: NonNegative | None = None
    alpha_fixed_emb: Share | None = None
    aw_off: bool | None = None
    aw_param: Share | None = None


class HybridSort(_Kalman):
    """HybridSORT (arXiv:2308.00783)."""

    _camera: ClassVar[CameraMotion | None] = "ecc"
    type: Literal["hybridsort"]
    det_thresh: Share | None = None
    low_thresh: Share | None = None
    track_thresh: Share | None = None
    iou_threshold: Share | None = None
    min_hits: Count | None = None
    delta_t_seconds: Positive | None = None
    asso_func: Association | None = None
    cmc_method: CameraMotion | None = None
    inertia: Share | None = None
    use_byte: bool | None = None
    TCM_first_step: bool | None = None
    TCM_byte_step: bool | None = None
    TCM_byte_step_weight: NonNegative | None = None
    alpha: Share | None = None
    adapfs: bool | None = None
    EG_weight_high_score: NonNegative | None = None
    EG_weight_low_score: NonNegative | None = None
    longterm_bank_seconds: Positive | None = None  # BoxMOT's longterm_bank_length, at one look a frame
    with_longterm_reid: bool | None = None
    longterm_reid_weight: NonNegative | None = None
    with_longterm_reid_correction: bool | None = None
    longterm_reid_correction_thresh: Annotated[float, Field(ge=0, le=2)] | None = None
    longterm_reid_correction_thresh_low: Annotated[float, Field(ge=0, le=2)] | None = None


class BoostTrack(_Kalman):
    """BoostTrack (doi:10.1007/s00138-024-01531-5) and, by its switches, BoostTrack++ (arXiv:2408.13003)."""

    _camera: ClassVar[CameraMotion | None] = "ecc"
    type: Literal["boosttrack"]
    det_thresh: Share | None = None
    iou_threshold: Share | None = None
    min_hits: Count | None = None
    asso_func: Association | None = None
    use_cmc: bool | None = None
    cmc_method: CameraMotion | None = None
    min_box_area: NonNegative | None = None  # pixels; smaller tracks are not given out
    aspect_ratio_thresh: Positive | None = None  # width by height; tracks with more are not given out
    lambda_iou: NonNegative | None = None
    lambda_mhd: NonNegative | None = None
    lambda_shape: NonNegative | None = None
    use_dlo_boost: bool | None = None
    use_duo_boost: bool | None = None
    dlo_boost_coef: NonNegative | None = None
    s_sim_corr: bool | None = None
    use_rich_s: bool | None = None
    use_sb: bool | None = None
    use_vt: bool | None = None
    adaptive_kf: bool | None = None


class OccluBoost(BoostTrack):
    """OccluBoost: BoostTrack with recovery by appearance, tentative tracks and damped updates under occlusion."""

    _camera: ClassVar[CameraMotion | None] = "sof"
    type: Literal["occluboost"]  # type: ignore[assignment]
    lambda_emb_multiplier: NonNegative | None = None
    recovery_appearance_thresh: Share | None = None
    recovery_iou_thresh: Share | None = None
    recovery_max_age_seconds: Positive | None = None
    feat_alpha: Share | None = None
    track_low_thresh: Share | None = None
    use_second_pass: bool | None = None
    second_iou_thresh: Share | None = None
    second_appearance_thresh: Share | None = None
    second_pass_min_hits: Count | None = None
    new_track_thresh: Share | None = None
    confirm_hits: Count | None = None
    instant_confirm_thresh: Share | None = None
    tentative_max_age_seconds: NonNegative | None = None
    duplicate_iou_thresh: Share | None = None
    ams_enabled: bool | None = None
    ams_alpha0: Share | None = None
    ams_threshold: NonNegative | None = None
    ams_buffer_size: Annotated[int, Field(ge=3)] | None = None
    ams_shrink_ratio: Share | None = None
    # Global association: finds a dead track again by appearance alone, for gta_max_gap behind the end of max_gap.
    gta_enabled: bool | None = None
    gta_appearance_thresh: Share | None = None
    gta_min_track_seconds: Positive | None = None
    gta_max_gap_seconds: Positive | None = None
    gta_interpolate: bool | None = None
    gta_smooth_tau: NonNegative | None = None


class Sfsort(_Tracker):
    """SFSORT (arXiv:2404.07553); `max_gap` is for tracks lost inside the margins."""

    type: Literal["sfsort"]
    high_th: Share | None = None
    low_th: Share | None = None
    new_track_th: Share | None = None
    match_th_first: Annotated[float, Field(ge=0, le=0.67)] | None = None  # BoxMOT allows no more
    match_th_second: Share | None = None
    asso_func: Association | None = None
    dynamic_tuning: bool | None = None
    cth: Share | None = None
    high_th_m: Annotated[float, Field(ge=0.02, le=0.1)] | None = None
    new_track_th_m: Annotated[float, Field(ge=0.02, le=0.08)] | None = None
    match_th_first_m: Annotated[float, Field(ge=0.02, le=0.08)] | None = None
    marginal_gap_seconds: NonNegative | None = None  # as max_gap, for tracks lost in the margins; max_gap if not set
    # The margins, with `marginal_gap_seconds`; where none is set, they are what lies outside the frame.
    horizontal_margin: NonNegative | None = None  # pixels from the left and right borders
    vertical_margin: NonNegative | None = None  # pixels from the upper and lower borders


Tracker = Annotated[
    ByteTrack | OcSort | BotSort | StrongSort | DeepOcSort | HybridSort | BoostTrack | OccluBoost | Sfsort,
    Field(discriminator="type"),
]
