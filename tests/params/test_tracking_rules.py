"""stages/params/tracking_rules.py, and how wrong tracker options are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter
from tracking_scenes import ALL

from stages.errors import InputError
from stages.params import load_params
from stages.params.trackers import Tracker
from stages.params.tracking_rules import tracker_findings

ROOT = Path(__file__).resolve().parents[2]


def found(**options: object) -> list[tuple[str, str, str]]:
    tracker = TypeAdapter(Tracker).validate_python(options)
    params = SimpleNamespace(trackers={"mine": tracker}, reid={"looks": None})
    return [(".".join(map(str, place)), what, remedy) for place, what, remedy in tracker_findings(params)]


@pytest.mark.parametrize("kind", ALL)
def test_defaults_make_sense(kind):
    assert found(type=kind, **({"reid": "looks"} if kind == "strongsort" else {})) == []


@pytest.mark.parametrize(
    "options,place,what",
    [
        ({"type": "strongsort"}, "trackers.mine", "StrongSORT tracks by appearance"),
        ({"type": "bytetrack", "reid": "looks"}, "trackers.mine.reid", "`bytetrack` tracks by motion alone"),
        ({"type": "sfsort", "reid": "looks"}, "trackers.mine.reid", "`sfsort` tracks by motion alone"),
        ({"type": "botsort", "reid": "look"}, "trackers.mine.reid", "no entry `look` in `reid`"),
        (
            {"type": "botsort", "appearance_thresh": 0.3},
            "trackers.mine.appearance_thresh",
            "acts by appearance, and the tracker has no `reid`",
        ),
        ({"type": "ocsort", "min_conf": 0.2}, "trackers.mine.min_conf", "acts only with `use_byte: true`"),
        (
            {"type": "botsort", "use_cmc": False, "cmc_method": "ecc"},
            "trackers.mine.cmc_method",
            "acts only with `use_cmc: true`",
        ),
        ({"type": "sfsort", "cth": 0.4}, "trackers.mine.cth", "acts only with `dynamic_tuning: true`"),
        (
            {"type": "occluboost", "reid": "looks", "gta_max_gap_seconds": 2.0},
            "trackers.mine.gta_max_gap_seconds",
            "acts only with `gta_enabled: true`",
        ),
        (
            {"type": "bytetrack", "kf_reference_dt_s": 0.1},
            "trackers.mine.kf_reference_dt_s",
            "acts only with `variable_dt: true`",
        ),
        *(
            ({"type": "sfsort", margin: 9.0}, f"trackers.mine.{margin}", "acts only with `marginal_gap_seconds`")
            for margin in ("horizontal_margin", "vertical_margin")
        ),
        ({"type": "ocsort", "postprocess": {"max_gap": None}}, "trackers.mine.postprocess", "does nothing"),
        (
            {"type": "sfsort", "new_track_th": 0.5},
            "trackers.mine.new_track_th",
            "`high_th` (0.6) lies above `new_track_th` (0.5)",
        ),
        ({"type": "sfsort", "low_th": 0.8}, "trackers.mine.low_th", "`low_th` (0.8) lies above `high_th` (0.6)"),
    ],
)
def test_what_makes_no_sense_is_named(options, place, what):
    assert [(where, said) for where, said, _ in found(**options)] == [(place, what)]


def test_what_an_option_needs_is_enough():
    assert found(type="ocsort", min_conf=0.2, use_byte=True) == []
    assert found(type="sfsort", new_track_th=0.5, high_th=0.4) == []
    assert found(type="boosttrack", dlo_boost_coef=0.5, use_sb=False, use_vt=False) == []
    assert found(type="sfsort", horizontal_margin=9.0, vertical_margin=9.0, marginal_gap_seconds=0.0) == []
    assert found(type="bytetrack", kf_reference_dt_s=0.1, variable_dt=True) == []
    assert found(type="bytetrack", postprocess={"max_gap": None, "smoothing": 0.5}) == []
    assert found(type="botsort", reid="looks", appearance_thresh=0.3) == []
    assert len(found(type="boosttrack", dlo_boost_coef=0.5)) == 2


@pytest.mark.parametrize(
    "entry,said",
    [
        ("{type: bytetrack, track_tresh: 0.5}", "trackers.mine.track_tresh: unknown key: did you mean `track_thresh`?"),
        ("{type: ocsort, delta_t: 3}", "trackers.mine.delta_t: unknown key: did you mean `delta_t_seconds`?"),
        ("{type: deepocsort, cmc_of: true}", "trackers.mine.cmc_of: unknown key: did you mean `cmc_off`?"),
        ("{type: hybridsort, tcm_first_step: true}", "trackers.mine.tcm_first_step: unknown key: did you mean"),
        ("{type: occluboost, gta_max_gap_second: 30}", "unknown key: did you mean `gta_max_gap_seconds`?"),
        ("{type: strongsort, nn_budget: 100}", "unknown key: did you mean `nn_budget_seconds`?"),
        ("{type: sfsort, central_timeout: 100}", "trackers.mine.central_timeout: unknown key"),
        ("{type: boosttrack, obb_max_age: 3}", "trackers.mine.obb_max_age: unknown key"),
        ("{type: strong_sort}", 'trackers.mine.type: no such type "strong_sort": did you mean `strongsort`?'),
        ("{type: sfsort, match_th_first: 0.8}", "match_th_first: should be less than or equal to 0.67"),
        ("{type: botsort, cmc_method: orb}", 'trackers.mine.cmc_method: no such value "orb"'),
        ("{type: strongsort, n_init: 0}", "trackers.mine.n_init: should be greater than or equal to 1"),
        ("{type: ocsort, max_gap: 0}", "trackers.mine.max_gap: should be greater than 0"),
        ("{type: occluboost, use_second_pass: 1}", "trackers.mine.use_second_pass: should be a valid boolean"),
    ],
)
def test_a_wrong_option_is_one_line_with_the_nearest_name(entry, said, tmp_path):
    text = (ROOT / "params.yaml").read_text()
    begin = text.index("\ntrackers:") + len("\ntrackers:")
    path = tmp_path / "params.yaml"
    path.write_text(f"{text[:begin]}\n  mine: {entry}\n{text[begin:]}")
    with pytest.raises(InputError) as caught:
        load_params(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
