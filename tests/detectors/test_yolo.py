from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
import torch

from stages.detectors import Architecture, Batch, Detector, build
from stages.detectors.yolo import Yolo
from stages.errors import InputError
from tests.detectors import families
from tests.detectors.families import frames
from tests.rectangles import TINY_MODEL, boxes_of, picture

MODELS = ["yolov8-pico", "yolo11-pico", "yolo12n", "yolo26-pico", "yolov10-pico"]
CLASSES = ("person", "car")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _build(model: str, classes: tuple[str, ...] = CLASSES, base: int | None = None) -> Detector:
    torch.manual_seed(0)
    return build(Architecture("yolo", model, classes, base or len(classes)))


def _batch(*frames: int) -> Batch:
    images = torch.stack([torch.from_numpy(picture(frame)[..., ::-1].copy()).permute(2, 0, 1) for frame in frames])
    left_top, sides = (
        torch.cat([torch.from_numpy(boxes_of(f)[:, s]) for f in frames]) for s in (slice(2), slice(2, 4))
    )
    boxes = torch.cat([left_top, left_top + sides], 1).float()
    places = torch.arange(len(frames)).repeat_interleave(2)
    return Batch(images, boxes, torch.tensor([0, 1] * len(frames)), places)


def _parts(detector: Detector, batch: Batch) -> dict[str, float]:
    return {name: float(part.detach()) for name, part in detector(batch).items()}


def _learn(detector: Detector, batch: Batch, steps: int) -> torch.Tensor:
    """Train on one batch again and again; returns the loss at every step."""
    detector.train().begin_training(epochs=1)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        losses.append(sum(detector(batch).values()))
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack(losses).detach()


@pytest.mark.parametrize("model", MODELS)
def test_every_version_builds_learns_and_predicts(model: str):
    detector, batch = _build(model), _batch(1, 5)
    parts = detector.train()(batch)
    assert list(parts) == ["loss_box", "loss_cls", "loss_dfl"] and all(part.ndim == 0 for part in parts.values())
    # Fresh networks are sure of nothing and pay for no box (Ultralytics weighs boxes by their scores): the loss
    # climbs for a few steps, then falls.
    losses = families.learn(detector, batch, steps=40, lr=2e-3, decay=True)
    assert losses[-4:].mean() < 0.4 * losses.max()
    found = detector.eval().predict(batch.images, 0.0, 0.7, 9)
    assert [tuple(rows.shape) for rows in found] == [(9, 6)] * 2
    for rows in found:
        assert (rows[:-1, 4] >= rows[1:, 4]).all() and set(rows[:, 5].tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("model", ["yolo11-pico", "yolo26-pico"])
def test_every_parameter_is_in_one_part_and_class_tensors_count_classes(model: str):
    detector = _build(model, ("a", "b", "c"), base=80)
    parts = detector.parts()
    assert list(parts) == ["backbone", "neck", "head"]
    counted = [id(p) for modules in parts.values() for module in modules for p in module.parameters()]
    assert sorted(counted) == sorted(id(p) for p in detector.parameters())
    shapes = [detector.network.state_dict()[name].shape for name in detector.class_tensors()]
    assert len(shapes) == (12 if "26" in model else 6) and {shape[0] for shape in shapes} == {3}
    families.assert_class_tensors_count(detector)
    assert tuple(detector.eval().predict(_batch(1).images, 0.0, 0.7, 5)[0].shape) == (5, 6)


def test_a_resized_class_head_keeps_its_inner_widths():
    base, small = _build("yolov8-pico", tuple(map(str, range(80)))), _build("yolov8-pico", CLASSES, base=80)
    ours, theirs = small.network.state_dict(), base.network.state_dict()
    different = {name for name in theirs if theirs[name].shape != ours[name].shape}
    assert ours.keys() == theirs.keys() and different == set(small.class_tensors())


@pytest.mark.parametrize("model", MODELS)
def test_the_loss_is_a_mean_over_frames(model: str):
    detector = _build(model)
    families.assert_mean_over_frames(detector)  # fresh: what divides a frame's loss is at its floor
    _learn(detector, families.unequal_frames(), steps=25)
    families.assert_mean_over_frames(detector)


@pytest.mark.parametrize("model", ["yolo11-pico", "yolo26-pico"])
def test_it_is_the_mean_of_ultralytics_own_loss_of_each_frame(model: str):
    detector, batch = _build(model), families.unequal_frames()
    _learn(detector, batch, steps=100)
    families.freeze_batchnorm(detector)
    ours = _parts(detector, batch)
    # In the same place of the schedule of end-to-end models.
    detector.criterion = detector.network.init_criterion()
    alone = [_parts(detector, batch.piece(place, place + 1)) for place in range(4)]
    assert ours == pytest.approx({name: fmean(parts[name] for parts in alone) for name in ours}, rel=1e-4)
    assert alone[2]["loss_box"] == 0 < ours["loss_box"]  # no boxes in the third
    # Ultralytics' of the whole is another: the fullest frame counts most.
    assert all(part != pytest.approx(ours[name], rel=0.05) for name, part in _parts(detector, batch).items())


def test_the_loss_of_end_to_end_models_shifts_from_epoch_to_epoch():
    detector = _build("yolo26-pico")
    detector.begin_training(epochs=3)
    weights = [detector.criterion.o2m]
    for _ in range(3):
        detector.end_epoch()
        weights.append(detector.criterion.o2m)
    # Ultralytics' schedule: from 0.8 to 0.1 over the epochs, then level.
    assert weights == pytest.approx([0.8, 0.45, 0.1, 0.1])
    detector.begin_training(epochs=3)
    assert detector.criterion.o2m == 0.8
    plain = _build("yolo11-pico")
    plain.begin_training(epochs=3)
    plain.end_epoch()  # nothing to advance
    assert plain.loss_state() == {}


def test_what_the_loss_keeps_is_carried_over():
    one, other = _build("yolo26-pico"), _build("yolo26-pico")
    for detector in (one, other):
        detector.begin_training(epochs=4)
    one.end_epoch()
    state = one.loss_state()
    # One of four epochs: a third of the way from 0.8 to 0.1.
    assert state["o2m"] == pytest.approx(0.8 - 0.7 / 3) and state["o2m"] + state["o2o"] == pytest.approx(1)
    other.load_loss_state(json.loads(json.dumps(state)))
    batch = _batch(1, 5)
    assert other.loss_state() == state and other(batch) == one(batch)
    for detector in (one, other):
        detector.end_epoch()
    assert one.loss_state() == other.loss_state() != state


@pytest.mark.parametrize("model", ["yolo11-pico", "yolo26-pico"])
def test_blocks_can_be_computed_twice(model: str):
    families.assert_blocks_recompute(_build(model), _batch(1, 5))


def test_any_shape_any_number_of_boxes_and_half_precision():
    detector = _build("yolo11-pico")
    families.assert_any_shape(detector, (2, 3))
    families.assert_any_shape(detector, (1, 1))  # a single value per channel, in training too
    families.assert_any_number_of_boxes(detector, _batch(1, 5))
    families.assert_works_in_half_precision(detector, _batch(1, 5))


def test_it_learns_a_few_frames_by_heart(tmp_path: Path):
    detector, batch = _build("yolov8-pico"), frames(1, 5, scale=2)
    losses = families.learn(detector, batch, steps=150, lr=5e-3, until=0.06, decay=True)
    families.settle_batchnorm(detector, batch)
    # What is left is for the most part the distribution loss, whose targets lie between two bins.
    assert losses[0] > 10 and losses[-5:].mean() < 0.08 * losses[0]
    families.assert_right(detector, batch, iou=0.7)
    families.assert_obeys_thresholds(detector, batch.images, min_score=0.3)
    families.assert_saved_whole(detector, batch, tmp_path)


def test_what_is_published():
    address = "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo11n.pt"
    assert Yolo.published("yolo11n") == Yolo.published("yolo11n.yaml") == address
    families.assert_input_error(lambda: Yolo.published("yolov8-pico"), "publishes no weights for `yolov8-pico`")


def test_frames_without_boxes_have_a_loss():
    empty = Batch(
        _batch(1, 2).images, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    )
    parts = _build("yolo11-pico").train()(empty)
    assert all(part.isfinite() for part in parts.values()) and parts["loss_box"] == 0


def test_what_is_predicted_are_boxes_in_pixels_suppressed_class_by_class():
    from stages.detectors.yolo import _suppress

    output = torch.tensor(  # (4 + 2 classes, 4 anchors): centre x, y, width, height, two scores
        [[10, 11, 40, 10], [10, 10, 40, 10], [8, 8, 8, 8], [8, 8, 8, 8], [0.9, 0.8, 0.3, 0.0], [0.0, 0.1, 0.0, 0.7]]
    ).float()
    kept = _suppress(output, min_score=0.2, nms_iou=0.5, max_objects=10)
    # The second overlaps the first (IoU 7/9), same class; the fourth lies on the first, another class.
    expected = [[6, 6, 14, 14, 0.9, 0], [6, 6, 14, 14, 0.7, 1], [36, 36, 44, 44, 0.3, 0]]
    assert torch.allclose(kept, torch.tensor(expected))
    assert len(_suppress(output, 0.2, 0.8, 10)) == 4 and len(_suppress(output, 0.2, 0.5, 2)) == 2
    assert _suppress(output, 0.95, 0.5, 10).shape == (0, 6)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("yolo99n", "no model `yolo99n`: name one of Ultralytics'"),
        ("absent.yaml", "no model `absent.yaml`"),
        ("yolov8n-seg", "`yolov8n-seg` is no detector of this family"),
        ("rtdetr-l", "`rtdetr-l` is no detector of this family"),
        ("yolo12-pico", "`yolo12-pico` cannot be built (Dimension of ABlock must be a multiple of 32.)"),
        ("broken.yaml", "`broken.yaml` cannot be built"),
        ("empty.yaml", "`empty.yaml` cannot be built"),
    ],
)
def test_a_model_that_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, expected: str):
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text(TINY_MODEL.replace("Conv", "Convv"))
    Path("empty.yaml").write_text("nc: 3\n")
    with pytest.raises(InputError) as caught:
        _build(model)
    assert str(caught.value).startswith(f"params.yaml: detector.model: {expected}") and "\n" not in str(caught.value)


def test_a_yaml_file_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY_MODEL)
    detector = _build("tiny.yaml")
    assert [len(modules) for modules in detector.parts().values()] == [2, 1, 1]
    assert detector.network.stride.tolist() == [8, 16]
