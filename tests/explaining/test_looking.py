"""What every family's network weighed, and where its heat is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages.detectors import Batch, Detector, build
from stages.detectors.frames import detect, prepared
from stages.detectors.pretrained import read_pretrained
from stages.explaining.boxes import iou_with, share_inside
from stages.explaining.looking import Sight
from tests.detectors import families
from tests.detectors.families import frames, fresh
from tests.explaining_cases import whole
from tests.small_networks import RTDETR, thin_rfdetr

FAMILIES = {
    "simple": "simple-tiny",
    "yolo": "yolov8-pico",
    "rtdetr": "small-rtdetr.yaml",
    "rfdetr": "tiny",
    "fasterrcnn": "mobilenetv3-large-fpn",
    "retinanet": "resnet50-fpn",
    "ssdlite": "ssdlite320-mobilenetv3-large",
}


@pytest.fixture(params=FAMILIES)
def detector(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Detector]:
    monkeypatch.chdir(tmp_path)
    Path("small-rtdetr.yaml").write_text(RTDETR)
    if request.param != "rfdetr":
        yield fresh(request.param, FAMILIES[request.param])
        return
    import stages.detectors.rfdetr  # noqa: F401  its package is looked up by name

    with thin_rfdetr():
        yield fresh("rfdetr", "tiny")


def states(detector: Detector) -> list:
    """All that looking must not change."""
    modules = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in detector.modules()]
    tensors = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    return [modules, [(p.requires_grad, p.grad is None) for p in detector.parameters()], tensors]


def test_every_family_has_a_map_of_every_candidate(detector: Detector):
    images = frames(1, scale=2).images
    frame, prepare = whole(images)
    detector.eval()
    before = states(detector)
    sight = Sight(detector, prepare, frame, 1)
    place = int(np.argmax(sight.scores))
    heat, none = sight.heat(place), sight.heat(None)
    assert len(sight.boxes) == len(sight.scores) > 10 and (sight.scores > 0).all() and (sight.scores < 1).all()
    for each in (heat.map, none.map):
        assert each.shape == frame.shape[:2] and each.dtype == np.float32 and np.isfinite(each).all()
        assert (each >= 0).all() and each.sum() == pytest.approx(1, abs=1e-3) and each.std() > 0
    assert heat.method == detector.heat_by and none.method == "eigen"
    again = Sight(detector, prepare, frame, 1)
    assert np.array_equal(again.heat(place).map, heat.map) and np.array_equal(again.boxes, sight.boxes)
    after = states(detector)
    assert before[:2] == after[:2]
    assert all(torch.equal(tensor, after[2][name]) for name, tensor in before[2].items())


def test_what_is_predicted_is_among_the_candidates(detector: Detector):
    images = frames(5, scale=2).images
    frame, prepare = whole(images)
    rows = detector.eval().predict(images, 0.0, 1.0, 5000)[0].double().numpy()
    seen = 0
    for label in (0, 1):
        sight = Sight(detector, prepare, frame, label)
        for *box, score, _ in rows[rows[:, 5] == label][:5]:
            box = np.clip(box, 0, 128)
            same = np.abs(sight.boxes - box).max(axis=1) < 0.02
            assert np.abs(sight.scores[same] - score).min(initial=1) < 1e-5
            seen += 1
    assert seen >= 5


def test_training_mode_and_frozen_weights_change_nothing():
    detector = fresh("simple", "simple-tiny").eval()
    frame, prepare = whole(frames(1).images)
    plain = Sight(detector, prepare, frame, 0).heat(3).map
    detector.requires_grad_(False).train()
    with torch.no_grad():
        assert np.array_equal(Sight(detector, prepare, frame, 0).heat(3).map, plain)
    assert all(module.training for module in detector.modules())
    assert not any(p.requires_grad for p in detector.parameters())


@pytest.mark.parametrize(
    ("family", "model", "scale", "steps", "lr"),
    [("simple", "simple-tiny", 1, 60, 4e-3), ("yolo", "yolov8-pico", 2, 160, 3e-3)],
)
def test_heat_lies_in_the_box_that_was_learned(family: str, model: str, scale: int, steps: int, lr: float):
    """Of each class the heat of its own rectangle lies in it, three times as densely as in the frame."""
    detector, batch = fresh(family, model), frames(1, 5, scale=scale)
    families.learn(detector, batch, steps=steps, lr=lr, until=0.05, decay=True)
    families.settle_batchnorm(detector, batch)
    frame, prepare = whole(batch.images)
    for label in (0, 1):
        box, other = _boxes(batch, label), _boxes(batch, 1 - label)
        sight = Sight(detector.eval(), prepare, frame, label)
        place = sight.best_near(box)
        heat, even = sight.heat(place).map, np.ones(frame.shape[:2])
        assert sight.scores[place] > 0.5 and iou_with(box, sight.boxes[place][None])[0] > 0.5
        assert share_inside(heat, box) > 3 * share_inside(even, box)
        assert share_inside(heat, box) > 2 * share_inside(heat, other)


def _boxes(batch: Batch, label: int) -> np.ndarray:
    return batch.boxes[(batch.frame == 0) & (batch.classes == label)][0].double().numpy()


def test_a_coco_detector_looks_at_real_people(real_data: Path):
    """Of YOLOv8n's sure finds in a street the heat lies in their boxes, five times as densely as in the frame."""
    torch.set_num_threads(1)
    tensors, card = read_pretrained(real_data / "weights/yolov8n.pt", "yolo", "yolov8n")
    detector = build(card.architecture)
    detector.network.load_state_dict(tensors)
    frame = cv2.imread(str(real_data / "mot17-mini/MOT17-09-FRCNN/img1/000003.jpg"))
    sight = Sight(detector, partial(prepared, image_size=640, stride=detector.stride), frame, 0)
    rows = next(detect(detector.eval(), [frame], image_size=640, batch=1, min_score=0.6, nms_iou=0.5, max_objects=9))
    people = rows[rows[:, 5] == 0]
    assert len(people) >= 3
    for row in people:
        box = row[:4].astype(float)
        place = sight.best_near(box)
        assert sight.scores[place] == pytest.approx(row[4], abs=1e-3)
        heat = sight.heat(place)
        dense = share_inside(heat.map, box) / share_inside(np.ones_like(heat.map), box)
        assert heat.method == "gradient" and dense > 5


class Scripted:
    """A network that weighs ``boxes`` with ``scores``, of which none has a gradient on its map."""

    heat_by = "gradient"

    def __init__(self, boxes: list, scores: list, at: float = 0.0):
        self.network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4, stride=4))
        self.boxes, self.scores, self.at = torch.tensor(boxes).view(-1, 4), torch.tensor(scores), at

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.boxes, self.scores + self.at * self.network(images / 255).sum()

    def heat_layers(self) -> list[str]:
        return ["0"]

    def padded(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(images, (0, 32, 0, 0))

    def modules(self) -> Iterator[torch.nn.Module]:
        return self.network.modules()

    def eval(self) -> None:
        self.network.eval()


@pytest.mark.parametrize(
    ("boxes", "place"),
    [
        ([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 4]], 1),  # of those at the box the best scored
        ([[0.0, 0, 10, 4], [0, 0, 10, 3], [0, 0, 10, 2]], 0),  # none is at the box: the nearest
        ([[0.0, 9, 10, 19], [20, 20, 30, 30]], None),  # 1 / 19 is not near
        ([], None),
    ],
)
def test_the_best_candidate_near_a_box(boxes: list, place: int | None):
    frame, prepare = whole(torch.zeros(1, 3, 64, 64))
    network = Scripted(boxes, [0.1, 0.2, 0.9][: len(boxes)])
    assert Sight(network, prepare, frame, 0).best_near(np.array([0.0, 0, 10, 10])) == place


def test_boxes_and_heat_are_in_pixels_of_the_frame():
    """The network sees the frame at half its size, grey to the right of it, and pads by 32 columns more."""
    torch.manual_seed(0)
    image = torch.zeros(1, 3, 32, 64)
    image[:, :, 8:16, 16:24] = 255
    network = Scripted([[16.0, 8, 80, 16]], [0.5], at=1.0)
    with torch.no_grad():
        network.network[0].weight.fill_(0.1)
        network.network[0].bias.zero_()
    frame = np.zeros((64, 96, 3), np.uint8)
    sight = Sight(network, lambda _: (image, (48, 32)), frame, 0)
    assert sight.boxes.tolist() == [[32, 16, 96, 32]]  # cut at the frame's border
    heat = sight.heat(0)
    assert heat.method == "gradient" and heat.map.shape == (64, 96)
    assert share_inside(heat.map, np.array([24.0, 8, 56, 40])) > 0.99
    y, x = np.unravel_index(int(heat.map.argmax()), heat.map.shape)
    assert 32 <= x < 48 and 16 <= y < 32


def test_without_gradient_the_eigen_map_is_taken():
    torch.manual_seed(0)
    frame, prepare = whole((255 * torch.rand(1, 3, 32, 32)).round())
    sight = Sight(Scripted([[0.0, 0, 9, 9]], [0.5]), prepare, frame, 0)
    heat = sight.heat(0)
    assert heat.method == "eigen" and np.array_equal(heat.map, sight.heat(None).map) and heat.map.sum() > 0.99
