"""Detection mAP: by hand, against a small implementation of COCO's definition, and against pycocotools."""

from __future__ import annotations

import contextlib
import io
import tracemalloc

import numpy as np
import pytest

from stages.scoring import detection
from stages.scoring.detection import FIELDS, Detections, Truth, coco_scores, mean_average_precision, truths_of
from stages.scoring.protocols import own_distractor
from stages.sequences.annotations import DISTRACTOR, DROP, REGION

A, B, FAR = [0, 0, 10, 10], [20, 20, 30, 30], [100, 100, 110, 110]
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def truth(*boxes, classes=None, distractors=(), regions=()):
    return Truth(_boxes(boxes), np.array(classes or [0] * len(boxes)), _boxes(distractors), _boxes(regions))


def found(*boxes, scores=None, classes=None):
    scores = scores or np.linspace(0.9, 0.1, len(boxes))
    return Detections(_boxes(boxes), np.array(scores), np.array(classes or [0] * len(boxes)))


def _boxes(boxes):
    return np.array(boxes, float).reshape(-1, 4)


@pytest.mark.parametrize(
    ("truths", "detections", "expected"),
    [
        (truth(A, B), found(A, B), {"mAP": 1, "mAP50": 1, "mAP75": 1}),
        (truth(A, B), found(), {"mAP": 0, "mAP50": 0, "mAP75": 0}),
        # Recalls 0, .01 ... .50 have precision 1 and the other 50 of 101 have none.
        (truth(A, B), found(A), {"mAP": 51 / 101, "mAP50": 51 / 101, "mAP75": 51 / 101}),
        (truth(A), found(FAR, A), {"mAP50": 0.5}),  # the false alarm comes first
        (truth(A), found(A, FAR), {"mAP50": 1}),  # or last, where it costs nothing
        (truth(A, B), found(A, FAR, B), {"mAP50": (51 + 50 * 2 / 3) / 101}),
        (truth(A), found(A, A), {"mAP50": 1}),
        (truth(A), found([0, 0, 10, 6.2]), {"mAP": 0.3, "mAP50": 1, "mAP75": 0}),  # IoU .62: .50, .55, .60
        (truth(A), found([0, 0, 10, 8]), {"mAP": 0.7, "mAP75": 1}),
        # A distractor takes one detection; a second one there is a false alarm.
        (truth(A, distractors=[FAR]), found(FAR, A), {"mAP": 1}),
        (truth(A, distractors=[FAR]), found(FAR, FAR, A), {"mAP": 0.5}),
        (truth(A, distractors=[[0, 0, 10, 9]]), found([0, 0, 10, 9]), {"mAP": 0.9}),  # a target comes first
        # A region takes all that lies inside.
        (truth(A, regions=[[50, 50, 200, 200]]), found(FAR, FAR, B, A), {"mAP50": 0.5}),
        (truth(A, regions=[[50, 50, 200, 200]]), found(FAR, FAR, A), {"mAP": 1}),
        # 0.72 of its own area inside: no mistake at .50 ... .70, a mistake at the other five.
        (truth(A, regions=[[100, 100, 200, 107.2]]), found(FAR, A), {"mAP": (5 + 5 * 0.5) / 10}),
    ],
)
def test_by_hand(truths, detections, expected):
    result = mean_average_precision([truths], [detections], ["thing"])
    assert {name: result[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert result["classes"] == {"thing": {name: result[name] for name in ("mAP", "mAP50", "mAP75")}}


def test_classes_are_apart_and_the_mean_is_over_those_present():
    truths = [truth(A, B, classes=[0, 1]), truth(A)]
    detections = [found(A, B, FAR, classes=[0, 0, 2]), found(A)]
    result = mean_average_precision(truths, detections, ["person", "car", "bus"])
    assert result["classes"]["person"]["mAP50"] == pytest.approx(1)
    assert result["classes"]["car"]["mAP50"] == 0
    assert result["classes"]["bus"] == {"mAP": None, "mAP50": None, "mAP75": None}
    assert result["mAP50"] == pytest.approx(0.5)


def test_ignored_boxes_are_so_for_every_class():
    case = truth(A, B, classes=[0, 1], distractors=[FAR])
    detections = found(FAR, FAR, A, B, classes=[0, 1, 0, 1])
    assert mean_average_precision([case], [detections], ["person", "car"])["mAP"] == pytest.approx(1)


def test_an_own_distractor_is_so_for_its_class_alone():
    """A hidden car excuses a car that is found there, and no person: as in tracking."""
    gt = np.array([[1, 1, 0, 0, 10, 10, 1, 1, 1], [1, 2, 20, 20, 10, 10, 1, 1, 1], [1, 3, 100, 100, 10, 10, 1, 1, 0]])
    [case] = truths_of(gt.astype(float), np.array([0, 1, own_distractor(1)]), 1)
    assert (case.own_distractors.tolist(), case.own_classes.tolist(), len(case.distractors)) == ([FAR], [1], 0)
    classes = ["person", "car"]
    car = mean_average_precision([case], [found(FAR, A, B, classes=[1, 0, 1])], classes)
    person = mean_average_precision([case], [found(FAR, A, B, classes=[0, 0, 1])], classes)
    assert [each["classes"]["car"]["mAP"] for each in (car, person)] == [1, 1]
    assert [each["classes"]["person"]["mAP"] for each in (car, person)] == [1, 0.5]


def test_nothing_to_find():
    assert mean_average_precision([truth()], [found(A)], ["person"])["mAP"] is None
    assert mean_average_precision([], [], ["person"])["mAP"] is None


def test_more_than_a_hundred_objects_count_unless_capped():
    boxes = [[20 * column, 20 * row, 20 * column + 10, 20 * row + 10] for row in range(10) for column in range(15)]
    assert mean_average_precision([truth(*boxes)], [found(*boxes)], ["person"])["mAP"] == pytest.approx(1)
    capped = mean_average_precision([truth(*boxes)], [found(*boxes)], ["person"], max_detections=100)["mAP"]
    assert capped == pytest.approx(67 / 101)


def test_frames_a_few_at_a_time_change_no_bit(monkeypatch):
    truths, detections = random_case(5, frames=40, ignored=True)
    whole = coco_scores(truths, detections, ["a", "b", "c"])
    monkeypatch.setattr(detection, "_BLOCK", 7)
    assert coco_scores(truths, detections, ["a", "b", "c"]) == whole


def test_the_boxes_of_a_few_frames_are_held_at_a_time(monkeypatch):
    """What Python holds for ten times the frames is not ten times as much."""

    def peak(frames: int) -> int:
        boxes = _random_boxes(np.random.default_rng(0), 100)
        truths, detections = [truth(A)] * frames, [found(*boxes)] * frames
        tracemalloc.start()
        coco_scores(truths, detections, ["person", "car"])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    monkeypatch.setattr(detection, "_BLOCK", 10, raising=False)
    peak(10)  # what is loaded once
    assert peak(100) < 2 * peak(10)


def test_frames_must_pair():
    with pytest.raises(ValueError, match="2 frames of ground truth, 1 of detections"):
        mean_average_precision([truth(A)] * 2, [found(A)], ["person"])


def test_prints_nothing(capfd):
    mean_average_precision([truth(A)], [found(A)], ["person"])
    assert capfd.readouterr() == ("", "")


def test_truths_from_rows():
    gt = np.array([[2, 1, 0, 0, 10, 10, 1, 1, 1], [2, 2, 5, 5, 10, 10, 1, 1, 1], [1, 3, 1, 2, 3, 4, 1, 1, 1]], float)
    gt = np.concatenate([gt, gt])
    first, second, third = truths_of(gt, np.array([1, DISTRACTOR, REGION, DROP, DROP, 0]), 3)
    assert (first.boxes.tolist(), first.classes.tolist(), first.regions.tolist()) == (
        [[1, 2, 4, 6]],
        [0],
        [[1, 2, 4, 6]],
    )
    assert (second.boxes.tolist(), second.classes.tolist()) == ([[0, 0, 10, 10]], [1])
    assert second.distractors.tolist() == [[5, 5, 15, 15]]
    assert third.boxes.shape == third.distractors.shape == third.regions.shape == (0, 4)


def random_case(seed: int, frames: int = 30, ignored: bool = False):
    """Frames of targets of three classes, and detections near them, some wrong in place or class."""
    rng = np.random.default_rng(seed)
    truths, detections = [], []
    for _ in range(frames):
        boxes = _random_boxes(rng, int(rng.integers(0, 9)))
        classes = rng.integers(0, 3, len(boxes))
        kept = rng.random(len(boxes)) < 0.85
        near = boxes[kept] + rng.normal(0, 3, (int(kept.sum()), 4))
        named = np.where(rng.random(len(near)) < 0.9, classes[kept], rng.integers(0, 3, len(near)))
        false = _random_boxes(rng, 3)
        apart = [_random_boxes(rng, 2 * ignored) for _ in range(2)]
        truths.append(Truth(boxes, classes, *apart))
        all_found = np.concatenate([near, false, *(each + 1 for each in apart)])
        named = np.concatenate([named, rng.integers(0, 3, len(all_found) - len(near))])
        detections.append(Detections(all_found, rng.random(len(all_found)), named))
    return truths, detections


def _random_boxes(rng, count):
    corner, size = rng.uniform(0, 150, (count, 2)), rng.uniform(20, 60, (count, 2))
    return np.concatenate([corner, corner + size], axis=1)


def small_average_precision(truths, detections, number, threshold) -> float:
    """COCO's definition, one class and threshold, nothing to ignore: greedy matching, 101-point interpolation."""
    marks = []
    for each, detected in zip(truths, detections, strict=True):
        free = list(each.boxes[each.classes == number])
        mine = detected.classes == number
        for index in np.argsort(-detected.scores[mine], kind="stable"):
            overlaps = [small_iou(detected.boxes[mine][index], box) for box in free]
            best = int(np.argmax(overlaps)) if overlaps else -1
            hit = best >= 0 and overlaps[best] >= threshold
            if hit:
                del free[best]
            marks.append((detected.scores[mine][index], hit))
    marks.sort(key=lambda mark: -mark[0])
    hits = np.cumsum([hit for _, hit in marks])
    total = sum(int((each.classes == number).sum()) for each in truths)
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / total
    reached = [precision[recall >= wanted] for wanted in np.linspace(0, 1, 101)]
    return float(np.mean([values.max() if len(values) else 0 for values in reached]))


def small_iou(box, other) -> float:
    width = max(0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0, min(box[3], other[3]) - max(box[1], other[1]))
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_small_implementation(seed):
    truths, detections = random_case(seed)
    result = mean_average_precision(truths, detections, ["a", "b", "c"])
    for number, name in enumerate("abc"):
        expected = [small_average_precision(truths, detections, number, threshold) for threshold in THRESHOLDS]
        assert result["classes"][name]["mAP"] == pytest.approx(np.mean(expected), abs=1e-9)
        assert result["classes"][name]["mAP50"] == pytest.approx(expected[0], abs=1e-9)
        assert result["classes"][name]["mAP75"] == pytest.approx(expected[5], abs=1e-9)
    assert result["mAP"] == pytest.approx(np.mean([entry["mAP"] for entry in result["classes"].values()]))
    assert 0.1 < result["mAP"] < 0.9


def test_sizes_and_recall_by_hand():
    small, medium, large = [0, 0, 31, 31], [50, 50, 83, 83], [100, 100, 200, 200]
    case = truth(small, medium, large, classes=[0, 0, 1])
    detections = found(FAR, medium, small, large, scores=[0.9, 0.8, 0.7, 0.6], classes=[0, 0, 0, 1])
    result = coco_scores([case], [detections], ["person", "car", "bus"])
    person = result["classes"]["person"]
    # Before the small target come a false alarm (10 px: small as well) and the medium one, which is ignored there.
    assert [person[f"mAP_{size}"] for size in ("small", "medium", "large")] == [pytest.approx(0.5), 1, None]
    assert [person[f"AR{cap}"] for cap in (1, 10, 100)] == [0, 1, 1]
    assert result["AR1"] == 0.5  # the car's detection is its class's first
    assert (result["mAP_large"], result["AR_large"]) == (1, 1)
    assert set(result["classes"]["bus"].values()) == {None}
    assert tuple(person) == FIELDS


def test_a_hundred_detections_are_what_recall_at_100_sees():
    boxes = [[20 * column, 20 * row, 20 * column + 10, 20 * row + 10] for row in range(10) for column in range(15)]
    result = coco_scores([truth(*boxes)], [found(*boxes)], ["person"])
    assert [result[name] for name in ("AR1", "AR10", "AR100")] == pytest.approx([1 / 150, 10 / 150, 100 / 150])
    assert (result["mAP"], result["AR_small"]) == (pytest.approx(1), 1)


@pytest.mark.parametrize("frames", [[], [truth()]])
def test_nothing_to_find_has_no_scores(frames):
    assert set(coco_scores(frames, [found(A)] * len(frames), ["person"])["classes"]["person"].values()) == {None}


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools_with_distractors_and_regions(seed):
    truths, detections = random_case(seed, ignored=True)
    for each, detected in zip(truths[::2], detections[::2], strict=True):  # large ones as well
        for boxes in (each.boxes, each.distractors, each.regions, detected.boxes):
            boxes *= 3
    numbers = pycocotools_of(truths, detections)
    result = coco_scores(truths, detections, ["a", "b", "c"])
    assert [result[name] for name in FIELDS] == pytest.approx(numbers[-1], abs=1e-9)
    for number, name in enumerate("abc"):
        assert [result["classes"][name][field] for field in FIELDS] == pytest.approx(numbers[number], abs=1e-9)
    means = mean_average_precision(truths, detections, ["a", "b", "c"])
    assert [means[name] for name in ("mAP", "mAP50", "mAP75")] == pytest.approx(numbers[-1][:3], abs=1e-9)
    assert all(0 < value < 1 for value in numbers[-1])


def pycocotools_of(truths, detections) -> list[list[float]]:
    """The twelve numbers of its summary, for each of three classes and for all."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for frame, (each, detected) in enumerate(zip(truths, detections, strict=True), 1):
        boxes = [(box, n, 0, np.prod(box[2:] - box[:2])) for box, n in zip(each.boxes, each.classes, strict=True)]
        boxes += [(box, number, 0, 1e11) for number in range(3) for box in each.distractors]
        boxes += [(box, number, 1, 1) for number in range(3) for box in each.regions]
        for box, number, crowd, area in boxes:
            entry = {"image_id": frame, "category_id": int(number), "iscrowd": crowd, "area": area}
            annotations.append(entry | {"id": len(annotations) + 1, "bbox": [*box[:2], *(box[2:] - box[:2])]})
        for box, number, score in zip(detected.boxes, detected.classes, detected.scores, strict=True):
            entry = {"image_id": frame, "category_id": int(number), "score": float(score)}
            results.append(entry | {"bbox": [*box[:2], *(box[2:] - box[:2])]})
    images = [{"id": frame} for frame in range(1, len(truths) + 1)]
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = {"images": images, "categories": [{"id": n} for n in range(3)], "annotations": annotations}
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(results), "bbox")
        numbers = []
        for categories in ([0], [1], [2], [0, 1, 2]):
            evaluation.params.catIds = categories
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            numbers.append([float(value) for value in evaluation.stats])
    return numbers
