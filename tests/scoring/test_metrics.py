"""Scores of small cases: a perfect tracker, class-truth, classes that the ground truth lacks, nothing at all."""

from __future__ import annotations

import numpy as np
import pytest

from stages.scoring.metrics import (
    ALPHA_FIELDS,
    FIELDS,
    class_averaged,
    curves,
    detection_weighted,
    over_sequences,
    pooled,
    scalars,
)
from stages.scoring.metrics import score_sequence as score
from stages.sequences.annotations import DISTRACTOR, DROP, REGION
from stages.sequences.tracks import Tracks

CLASSES = ("person", "car")
PERSON, CAR = 0, 1
LENGTH = 20


def scene(seed: int = 0, objects: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A dense scene: persons, cars, distractors, regions and dropped boxes; some coincide with targets."""
    rng = np.random.default_rng(seed)
    rows, roles = [], []
    for frame in range(1, LENGTH + 1):
        for number in range(objects):
            role = (PERSON, CAR, PERSON, DISTRACTOR, DROP, REGION)[number % 6]
            # Every distractor lies exactly on the target before it; every region holds some targets.
            place = (number - number % 6 + min(number % 6, 2)) * 9 + rng.uniform(0, 3) * (role in (PERSON, CAR))
            place = rows[-1][2] if role == DISTRACTOR else place
            size = 60 if role == REGION else 30
            rows.append([frame, number + 1, place, 5.25, size, size, 1, 1, 1])
            roles.append(role)
    return np.array(rows, float), np.array(roles)


def as_tracks(rows: np.ndarray, classes: np.ndarray) -> Tracks:
    whole = rows.astype(np.int64)
    return Tracks(whole[:, 0], whole[:, 1], rows[:, 2:6], classes.astype(np.int64))


NONE = as_tracks(np.zeros((0, 9)), np.zeros(0))


@pytest.mark.parametrize("seed", range(3))
def test_ground_truth_scored_against_itself_is_exactly_one(seed):
    gt, roles = scene(seed)
    targets = roles >= 0
    classes = score(gt, roles, as_tracks(gt[targets], roles[targets]), LENGTH, CLASSES, "")
    for result in (*classes.values(), pooled(classes), class_averaged(classes)):
        values = scalars(result)
        assert [values[field] for field in ("HOTA", "MOTA", "IDF1", "AssA", "DetA", "LocA", "MOTP")] == [1.0] * 7
        assert np.mean(result["HOTA"]["HOTA"]) == result["CLEAR"]["MOTA"] == result["Identity"]["IDF1"] == 1.0
        assert (values["FP"], values["FN"], values["IDSW"], values["ML"]) == (0, 0, 0, 0)


def test_real_ground_truth_scored_against_itself_is_exactly_one(real_data):
    from stages.params.sources import MOTCHALLENGE_LABELS
    from stages.sequences.annotations import parse_gt, purposes

    roles_of = dict.fromkeys(MOTCHALLENGE_LABELS.values(), "drop") | {"pedestrian": "person", "static_person": "region"}
    roles_of |= {"person_on_vehicle": "distractor", "reflection": "distractor"}
    results = {}
    for path in sorted((real_data / "mot17-mini").glob("*/gt/gt.txt")):
        gt = parse_gt(path.read_text(), str(path))
        roles = purposes(gt, MOTCHALLENGE_LABELS, roles_of, CLASSES)
        targets = roles == PERSON
        tracks = as_tracks(gt[targets], roles[targets])
        results[path.parent.parent.name] = score(gt, roles, tracks, int(gt[:, 0].max()), CLASSES, str(path))["person"]
    values = scalars(over_sequences(results))
    assert values["HOTA"] == values["MOTA"] == values["IDF1"] == 1.0
    assert values["GT_Dets"] == values["TP"] > 0


def test_a_car_track_on_a_person_scores_nothing():
    gt, roles = scene()
    persons = roles == PERSON
    classes = score(gt[persons], roles[persons], as_tracks(gt[persons], roles[persons] + CAR), LENGTH, CLASSES, "")
    count = int(persons.sum())
    person, car, both = scalars(classes["person"]), scalars(classes["car"]), scalars(pooled(classes))
    assert (person["HOTA"], person["MOTA"], person["IDF1"], person["FN"]) == (0, 0, 0, count)
    assert (car["TP"], car["FP"], car["Dets"]) == (0, count, count)
    assert (both["HOTA"], both["MOTA"], both["FP"], both["FN"]) == (0, -1, count, count)


def test_a_class_without_ground_truth_is_left_out_of_the_average_and_counts_in_the_pool():
    gt, roles = scene()
    persons = roles == PERSON
    perfect = gt[persons]
    false = perfect[:10].copy()
    false[:, 1:4] += [100, 500, 500]
    tracks = as_tracks(np.concatenate([perfect, false]), np.repeat([PERSON, CAR], [len(perfect), len(false)]))
    classes = score(perfect, roles[persons], tracks, LENGTH, CLASSES, "")
    car, average, both = scalars(classes["car"]), scalars(class_averaged(classes)), scalars(pooled(classes))
    assert {car[field] for field in ("HOTA", "LocA", "MOTA", "MLR", "IDF1")} == {None}
    assert (car["FP"], car["GT_Dets"]) == (10, 0)
    assert (average["HOTA"], average["MOTA"], average["FP"]) == (1, 1, 0)
    assert both["MOTA"] == pytest.approx(1 - 10 / len(perfect), abs=1e-6)
    assert both["HOTA"] == pytest.approx(np.sqrt(len(perfect) / (len(perfect) + 10)), abs=1e-6)  # AssA is 1
    assert both["FP"] == 10
    assert curves(classes["car"]) == []


def test_the_average_is_the_mean_of_classes_and_the_pool_is_not():
    gt, roles = scene()
    persons, cars = np.flatnonzero(roles == PERSON), np.flatnonzero(roles == CAR)
    rows = np.concatenate([persons, cars])
    found = np.concatenate([persons, cars[: len(cars) // 4]])
    classes = score(gt[rows], roles[rows], as_tracks(gt[found], roles[found]), LENGTH, CLASSES, "")
    assert scalars(classes["car"])["MOTA"] == 0.25
    assert scalars(class_averaged(classes))["MOTA"] == (1 + 0.25) / 2
    assert scalars(pooled(classes))["MOTA"] == pytest.approx(len(found) / len(rows), abs=1e-6)


def uneven():
    """Persons all found, by an id that breaks; one car in four found."""
    gt, roles = scene()
    persons, cars = np.flatnonzero(roles == PERSON), np.flatnonzero(roles == CAR)
    rows = np.concatenate([persons, cars])
    found = np.concatenate([persons, cars[: len(cars) // 4]])
    tracks = gt[found].copy()
    tracks[(tracks[:, 0] > LENGTH / 2), 1] += 100
    return gt[rows], roles[rows], as_tracks(tracks, roles[found])


def test_the_pool_is_what_one_class_would_score_with_matches_kept_within_classes():
    gt, roles, tracks = uneven()
    classes = score(gt, roles, tracks, LENGTH, CLASSES, "")
    # Cars as persons 10,000 pixels off: matched to one another alone.
    gt, boxes = gt.copy(), tracks.boxes.copy()
    gt[roles == CAR, 2] += 10_000
    boxes[tracks.classes == CAR, 0] += 10_000
    one = Tracks(tracks.frames, tracks.ids, boxes, np.zeros_like(tracks.classes))
    together = score(gt, np.zeros_like(roles), one, LENGTH, ("any",), "")["any"]
    assert scalars(pooled(classes)) == pytest.approx(scalars(together), abs=1e-6)


def test_weighted_by_boxes_each_class_keeps_its_own_score():
    classes = score(*uneven(), LENGTH, CLASSES, "")
    person, car = scalars(classes["person"]), scalars(classes["car"])
    share = person["GT_Dets"] / (person["GT_Dets"] + car["GT_Dets"])
    assert share != 0.5
    values, both = scalars(detection_weighted(classes)), scalars(pooled(classes))
    for field in ("HOTA", "AssA", "MOTA", "IDF1", "MOTP", "CLR_Pr"):
        assert values[field] == pytest.approx(share * person[field] + (1 - share) * car[field], abs=2e-6)
    assert (values["TP"], values["IDSW"]) == (both["TP"], both["IDSW"])
    assert values["MOTA"] == both["MOTA"]  # all that is counted per annotated box is the pool's
    assert abs(values["HOTA"] - both["HOTA"]) > 0.01


def test_an_absent_class_counts_as_nothing_where_the_protocol_says_so():
    gt, roles, _ = uneven()
    persons = roles == PERSON
    perfect = as_tracks(np.concatenate([gt[persons], gt[:1]]), np.repeat([PERSON, CAR], [persons.sum(), 1]))
    classes = score(gt[persons], roles[persons], perfect, LENGTH, CLASSES, "")
    values = scalars(class_averaged(classes, absent_is_zero=True))
    assert {values[field] for field in ("HOTA", "LocA", "MOTA", "IDF1", "MTR")} == {0.5}
    assert values["FP"] == 1
    assert scalars(class_averaged(classes))["HOTA"] == scalars(detection_weighted(classes))["HOTA"] == 1
    assert class_averaged({"car": classes["car"]}, absent_is_zero=True) is None
    assert detection_weighted({"car": classes["car"]}) is None


def pieces(gt_ids, track_ids):
    """Two objects far apart, five frames each with a gap between; the ids of each piece, and of its track."""
    rows = [
        (frame, identity, 500 * place, 0, 20, 20, 1, 1, 1)
        for ids in (gt_ids, track_ids)
        for place, (identity, first) in enumerate(zip(ids, (1, 11), strict=True))
        for frame in range(first, first + 5)
    ]
    gt, tracks = np.array(rows[:10], float), np.array(rows[10:], float)
    return scalars(score(gt, np.zeros(10, int), as_tracks(tracks, np.zeros(10)), LENGTH, CLASSES, "")["person"])


@pytest.mark.parametrize(
    ("gt_ids", "track_ids", "switches"),
    [
        ((1, 2), (7, 7), 0),  # a track's id used again for another object: no switch, but half of it is wrong
        ((1, 1), (7, 8), 1),  # an object comes back under its id, and its track under another
    ],
)
def test_an_id_used_again_after_a_gap_is_one_identity(gt_ids, track_ids, switches):
    values = pieces(gt_ids, track_ids)
    assert (values["TP"], values["FP"], values["FN"], values["IDSW"]) == (10, 0, 0, switches)
    assert (values["IDF1"], values["AssA"], values["DetA"]) == (0.5, 0.5, 1)
    assert values["HOTA"] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_sequences_are_summed_not_averaged():
    gt, roles = scene()
    targets = np.flatnonzero(roles == PERSON)
    perfect = score(gt[targets], roles[targets], as_tracks(gt[targets], roles[targets]), LENGTH, CLASSES, "")["person"]
    some = targets[:4]
    missed = score(gt[some], roles[some], NONE, LENGTH, CLASSES, "")["person"]
    values = scalars(over_sequences({"perfect": perfect, "missed": missed}))
    assert values["MOTA"] == pytest.approx(len(targets) / (len(targets) + 4), abs=1e-6)
    assert (values["FN"], values["GT_Dets"]) == (4, len(targets) + 4)


def test_nothing_tracked_and_nothing_annotated():
    gt, roles = scene()
    missed = score(gt, roles, NONE, LENGTH, CLASSES, "")
    values = scalars(missed["person"])
    assert (values["HOTA"], values["MOTA"], values["FN"]) == (0, 0, int((roles == PERSON).sum()))
    regions = roles == REGION
    nothing = score(gt[regions], roles[regions], NONE, LENGTH, CLASSES, "")
    assert class_averaged(nothing) is None
    assert scalars(pooled(nothing))["HOTA"] is None
    assert scalars(pooled(nothing))["FP"] == 0


def test_fields_are_those_announced():
    gt, roles = scene()
    result = score(gt, roles, as_tracks(gt[:9], np.zeros(9)), LENGTH, CLASSES, "")["person"]
    values = scalars(result)
    assert tuple(values) == FIELDS
    points = curves(result)
    assert [point["alpha"] for point in points] == [round(0.05 * step, 2) for step in range(1, 20)]
    assert all(tuple(point) == ALPHA_FIELDS for point in points)
    assert np.mean([point["HOTA"] for point in points]) == pytest.approx(values["HOTA"], abs=1e-6)
