"""Protocols: against TrackEval's own data sets, and by hand where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.params.labels import BDD100K_LABELS, KITTI_LABELS, MOTCHALLENGE_LABELS, VISDRONE_LABELS
from stages.params.protocol_rules import ROLES
from stages.params.scoring import Protocol
from stages.scoring.metrics import class_averaged, over_sequences, pooled, scalars, score_sequence
from stages.scoring.protocols import own_distractor, roles, rules_of
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from stages.sequences.tracks import Tracks
from tests import scoring_cases as cases

SIZE = (300, 280)  # of frames, pixels
METRICS = ("HOTA", "CLEAR", "Identity", "Count")


def score_all(sequences, labels, mapping, classes, protocol, tracked):
    """Sequence to class to result; ``tracked`` gives the classes of tracks their numbers."""
    rules, results = rules_of(Protocol(name=protocol)), {}
    for name, case in sequences.items():
        purposes = roles(case.gt, labels, mapping, classes, rules)
        found = cases.as_tracks(case.tracks, tracked)
        results[name] = score_sequence(case.gt, purposes, found, cases.LENGTH, classes, name, rules)
    combined = {label: over_sequences({name: each[label] for name, each in results.items()}) for label in classes}
    return results | {"COMBINED_SEQ": combined}


def assert_equal(ours, theirs, label, but=()):
    for metric in METRICS:
        assert ours[metric].keys() == theirs[metric].keys()
        for field in theirs[metric].keys() - set(but):
            where = f"{label} {metric} {field}"
            np.testing.assert_allclose(ours[metric][field], theirs[metric][field], rtol=0, atol=1e-9, err_msg=where)


# KITTI ---------------------------------------------------------------------------------------------------------------

KITTI = {name: number for number, name in KITTI_LABELS.items()}
KITTI_MAPPING = dict.fromkeys(KITTI, "drop") | ROLES["kitti"] | {"Car": "car", "Pedestrian": "person"}
KITTI_KINDS = ["Car", "Car", "Van", "Pedestrian", "Pedestrian", "Person", "Truck", "Cyclist", "Misc", "Tram"]


def kitti_cases(seed):
    rng = np.random.default_rng(seed)
    tracked_as = {KITTI["Car"]: KITTI["Car"], KITTI["Van"]: KITTI["Car"], KITTI["Truck"]: KITTI["Car"]}
    tracked_as |= {KITTI[name]: KITTI["Pedestrian"] for name in ("Pedestrian", "Person", "Cyclist")}
    made = {}
    for name in ("0000", "0001"):
        case = cases.make(rng, [KITTI[kind] for kind in KITTI_KINDS], [KITTI["DontCare"]], tracked_as)
        case.gt[:, 6] = 1  # KITTI has no such mark
        # As the source's reader has it: 0 where cut off by the frame, or nobody knows how far it is occluded.
        case.gt[:, 8] = (case.codes[:, 0] == 0) & (case.codes[:, 1] < 3)
        made[name] = case
    return made


@pytest.mark.parametrize("seed", range(2))
def test_kitti_equals_trackevals_data_set(tmp_path, seed):
    sequences = kitti_cases(seed)
    theirs = cases.evaluate(cases.kitti(tmp_path, sequences, KITTI_LABELS))
    tracked = {KITTI["Car"]: 0, KITTI["Pedestrian"]: 1}
    ours = score_all(sequences, KITTI_LABELS, KITTI_MAPPING, ("car", "person"), "kitti", tracked)
    for sequence in theirs:
        for label, theirs_label in (("car", "car"), ("person", "pedestrian")):
            assert_equal(ours[sequence][label], theirs[sequence][theirs_label], f"{sequence} {label}")
    assert theirs["COMBINED_SEQ"]["car"]["CLEAR"]["CLR_FP"] > 50
    assert 0.1 < theirs["COMBINED_SEQ"]["pedestrian"]["HOTA"]["HOTA"].mean() < 0.9


@pytest.mark.parametrize(
    "without",
    [{"small": 0.0}, {"min_visibility": 0.0}, {"neighbours": {}}, {"all_classes": True}, {"regions_first": True}],
)
def test_every_rule_of_kitti_matters_in_that_data(without):
    rules, changed = rules_of(Protocol(name="kitti")), replace(rules_of(Protocol(name="kitti")), **without)
    classes, case = ("car", "person"), kitti_cases(0)["0000"]
    found = cases.as_tracks(case.tracks, {KITTI["Car"]: 0, KITTI["Pedestrian"]: 1})
    both = []
    for each in (rules, changed):
        purposes = roles(case.gt, KITTI_LABELS, KITTI_MAPPING, classes, each)
        result = score_sequence(case.gt, purposes, found, cases.LENGTH, classes, "", each, SIZE)
        both.append([scalars(result[label])[field] for label in classes for field in ("HOTA", "FP", "FN")])
    assert both[0] != both[1]


# BDD100K -------------------------------------------------------------------------------------------------------------

BDD = {name: number for number, name in BDD100K_LABELS.items()}
BDD_CLASSES = tuple(name for name in BDD if name not in ROLES["bdd100k"])
BDD_MAPPING = {name: name for name in BDD_CLASSES} | ROLES["bdd100k"]


@pytest.mark.parametrize("seed", range(2))
def test_bdd100k_equals_trackevals_data_set(tmp_path, seed):
    rng = np.random.default_rng(seed)
    own = {BDD[name]: BDD[name] for name in BDD_CLASSES}
    regions = [BDD[name] for name in ROLES["bdd100k"]]
    sequences = {name: cases.make(rng, list(own), regions, own) for name in ("v1", "v2")}
    for case in sequences.values():
        case.gt[:, 6] = 1
    theirs = cases.evaluate(cases.bdd100k(tmp_path, sequences, BDD100K_LABELS, "crowd"))
    tracked = {BDD[name]: number for number, name in enumerate(BDD_CLASSES)}
    ours = score_all(sequences, BDD100K_LABELS, BDD_MAPPING, BDD_CLASSES, "bdd100k", tracked)
    # Mostly tracked is by Scalabel's threshold, tested below.
    mostly = ("MT", "PT", "ML", "MTR", "PTR", "MLR")
    for sequence in theirs:
        for label in BDD_CLASSES:
            assert_equal(ours[sequence][label], theirs[sequence][label], f"{sequence} {label}", but=mostly)
    together = theirs["COMBINED_SEQ"]
    assert_equal(pooled(ours["COMBINED_SEQ"]), together["cls_comb_det_av"], "pooled", but=mostly)
    average = class_averaged(ours["COMBINED_SEQ"], absent_is_zero=True)
    for metric in METRICS:  # over all classes, all of which are there
        for field in together["cls_comb_cls_av"][metric].keys() - set(mostly):
            expected = together["cls_comb_cls_av"][metric][field]
            np.testing.assert_allclose(average[metric][field], expected, rtol=0, atol=1e-9, err_msg=field)


MOT_CLASSES = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {"pedestrian": "person", "car": "car"}


@pytest.mark.parametrize(
    ("protocol", "benchmark", "natives"),
    [
        ("mot15", "MOT15", [1]),
        ("dancetrack", "dancetrack", [1]),
        ("mot17", "MOT16", [1, 1, 1, *range(2, 13)]),
        ("mot17", "MOT17", [1, 1, 1, *range(2, 13)]),
        ("mot20", "MOT20", [1, 1, 1, 6, 6, 13, *range(2, 13)]),
    ],
)
def test_motchallenge_equals_trackevals_data_set(tmp_path, protocol, benchmark, natives):
    rng = np.random.default_rng(7)
    sequences = {name: cases.make(rng, natives, [], {0: 1} | dict.fromkeys(natives, 1)) for name in ("a", "b")}
    theirs = cases.evaluate(cases.motchallenge(tmp_path, sequences, benchmark))
    mapping = MOT_CLASSES | ROLES[protocol]
    ours = score_all(sequences, MOTCHALLENGE_LABELS, mapping, ("car", "person"), protocol, {1: 1})
    for sequence in theirs:
        assert_equal(ours[sequence]["person"], theirs[sequence]["pedestrian"], f"{protocol} {sequence}")


# VisDrone ------------------------------------------------------------------------------------------------------------

VISDRONE = {name: number for number, name in VISDRONE_LABELS.items()}
VISDRONE_MAPPING = dict.fromkeys(VISDRONE, "drop") | {"pedestrian": "person", "car": "car"} | ROLES["visdrone"]


def painted_share(box, regions):
    """dropObjects.m's rule, pixel by pixel: the map counts from 1, as MATLAB does."""
    painted = np.zeros((SIZE[1] + 1, SIZE[0] + 1), bool)
    for left, top, width, height in np.maximum(1, np.floor(regions + 0.5)).astype(int):
        painted[top : top + height + 1, left : left + width + 1] = True
    left, top, width, height = np.maximum(1, np.floor(box + 0.5)).astype(int)
    left, top = min(SIZE[0], left), min(SIZE[1], top)
    return painted[top + 1 : top + height + 1, left + 1 : left + width + 1].sum() / (width * height)


def outside(rows, regions):
    """Which rows have less than half of their pixels in the regions of their frame."""
    inside = [painted_share(row[2:6], regions[regions[:, 0] == row[0], 2:6]) for row in rows]
    return np.array(inside) < 0.5


@pytest.mark.parametrize("seed", range(2))
def test_visdrone_drops_what_lies_in_regions_before_anything_is_matched(seed):
    rng = np.random.default_rng(seed)
    natives, own = [VISDRONE["pedestrian"], VISDRONE["car"]], {}
    own = {native: native for native in natives}
    case = cases.make(rng, [*natives, VISDRONE["van"]], [VISDRONE["ignored regions"], VISDRONE["others"]], own)
    case.gt[:, 2:4] -= 12  # some reach over the frame's edges
    case.tracks[:, 2:4] -= 12
    gt = case.gt[~((case.gt[:, 0] > 35) & (case.gt[:, 7] != 0))]  # nothing annotated behind frame 35
    classes, numbers, rules = (
        ("person", "car"),
        dict(zip(natives, (0, 1), strict=True)),
        rules_of(Protocol(name="visdrone")),
    )
    purposes = roles(gt, VISDRONE_LABELS, VISDRONE_MAPPING, classes, rules)
    tracks = cases.as_tracks(case.tracks, numbers)
    ours = score_sequence(gt, purposes, tracks, cases.LENGTH, classes, "", rules, SIZE)

    regions = gt[purposes == REGION]
    kept = (purposes != REGION) & outside(gt, regions)
    valid = outside(case.tracks, regions) & (case.tracks[:, 0] <= 35)
    assert 0.3 < kept[purposes != REGION].mean() < 0.95
    left = cases.as_tracks(case.tracks[valid], numbers)
    plain = score_sequence(gt[kept], purposes[kept], left, cases.LENGTH, classes, "", rules_of(Protocol(name="mot15")))
    for label in classes:
        assert_equal(ours[label], plain[label], label)


# Limits, roles and mistakes -------------------------------------------------------------------------------------------


def boxes(*rows):
    """(N, 9): class 1, ids 1, 2, ...; each row is left, top, width, height and visibility, in frame 1."""
    return np.array([[1, i, *row[:4], 1, 1, row[4]] for i, row in enumerate(rows, 1)], float).reshape(-1, 9)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, (2, 0, 0)),
        ({"min_height": 20.0}, (2, 0, 0)),  # exactly as high is not below
        ({"min_height": 20.25}, (1, 0, 0)),  # the second is neither to be found, nor a mistake when found
        ({"min_area": 200.0}, (2, 0, 0)),
        ({"min_area": 201.0}, (1, 0, 0)),
        ({"min_visibility": 0.5}, (1, 0, 0)),
        ({"min_visibility": 0.25}, (2, 0, 0)),
        ({"min_height": 1000.0}, (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("protocol", ["skyward", "mot17", "dancetrack", "bdd100k", "visdrone", "kitti"])
def test_targets_below_a_limit_are_distractors_of_their_class(protocol, limits, expected):
    gt = boxes((0, 0, 20, 40, 1), (100, 0, 10, 20, 0.25))
    rules = rules_of(Protocol(name=protocol, **limits))
    purposes = roles(gt, {1: "a"}, {"a": "person"}, ("person", "car"), rules)
    found = Tracks(np.array([1, 1]), np.array([7, 8]), gt[:, 2:6].copy(), np.array([0, 0]))
    result = score_sequence(gt, purposes, found, 1, ("person", "car"), "", rules)["person"]
    assert tuple(scalars(result)[field] for field in ("TP", "FP", "FN")) == expected


def test_a_target_below_a_limit_excuses_no_other_class():
    gt = boxes((0, 0, 20, 40, 0.1))
    rules = rules_of(Protocol(min_visibility=0.5))
    purposes = roles(gt, {1: "a"}, {"a": "person"}, ("person", "car"), rules)
    found = Tracks(np.array([1]), np.array([7]), gt[:, 2:6].copy(), np.array([1]))
    classes = score_sequence(gt, purposes, found, 1, ("person", "car"), "", rules)
    assert (scalars(classes["person"])["FN"], scalars(classes["car"])["FP"]) == (0, 1)


def test_roles_by_protocol():
    natives = ["Car", "Van", "Pedestrian", "Person_sitting", "DontCare", "Tram"]
    gt = np.array([[1, i, 0, 0, 9, 30, 1, KITTI[name], 1] for i, name in enumerate(natives)], float)
    gt[0, 8] = 0
    found = roles(gt, KITTI_LABELS, KITTI_MAPPING, ("person", "car"), rules_of(Protocol(name="kitti")))
    assert found.tolist() == [own_distractor(1), own_distractor(1), 0, own_distractor(0), REGION, DROP]
    plain = roles(gt, KITTI_LABELS, KITTI_MAPPING, ("person", "car"), rules_of(Protocol()))
    assert plain.tolist() == [1, DISTRACTOR, 0, DISTRACTOR, REGION, DROP]
    # Without Pedestrian among the classes, a sitting person is nobody's neighbour.
    mapping = KITTI_MAPPING | {"Pedestrian": "drop"}
    alone = roles(gt, KITTI_LABELS, mapping, ("car",), rules_of(Protocol(name="kitti")))
    assert alone.tolist() == [own_distractor(0), own_distractor(0), DROP, own_distractor(1), REGION, DROP]


def test_kitti_drops_small_tracks_only_where_nothing_is_found():
    gt = np.array([[1, 1, 0, 0, 20, 25, 1, KITTI["Car"], 1]], float)
    found = Tracks(
        np.ones(3, int),
        np.arange(3),
        np.array([[0, 0, 20, 25], [200, 0, 20, 25], [300, 0, 20, 25.25]], float),
        np.zeros(3, int),
    )
    rules = rules_of(Protocol(name="kitti"))
    purposes = roles(gt, KITTI_LABELS, KITTI_MAPPING | {"Pedestrian": "drop"}, ("car",), rules)
    values = scalars(score_sequence(gt, purposes, found, 1, ("car",), "", rules)["car"])
    assert (values["TP"], values["FP"]) == (1, 1)
