from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.detectors import Batch, Detector
from stages.detectors.rtdetr import RtDetr
from stages.detectors.ultralytics_networks import as_made
from tests.detectors import families
from tests.detectors.families import frames, fresh
from tests.small_networks import RTDETR


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rtdetr") / "tiny.yaml"
    path.write_text(RTDETR)
    return str(path)


@pytest.fixture(scope="module")
def learnt(tiny: str) -> tuple[Detector, torch.Tensor]:
    detector = fresh("rtdetr", tiny)
    return detector, families.learn(detector, frames(1, 5), steps=220, lr=2e-3, until=0.2)


def test_it_learns_a_few_frames_by_heart(learnt: tuple[Detector, torch.Tensor], tmp_path: Path):
    detector, losses = learnt
    assert losses[0] > 15 and losses[-5:].mean() <= 0.2 * losses[0]
    families.assert_right(detector, frames(1, 5), iou=0.7)
    families.assert_obeys_thresholds(detector, frames(1, 5).images, min_score=0.5)
    families.assert_saved_whole(detector, frames(1, 5), tmp_path)


def test_with_nms_iou_1_the_set_is_left_as_it_is(learnt: tuple[Detector, torch.Tensor]):
    detector, images = learnt[0].eval(), frames(1).images
    assert len(detector.predict(images, 0.0, 1.0, 100)[0]) == 30 > len(detector.predict(images, 0.0, 0.5, 100)[0])


def test_parts_class_tensors_and_blocks(tiny: str):
    three, two = fresh("rtdetr", tiny, ("a", "b", "c")), fresh("rtdetr", tiny, base=80)
    families.assert_parts_are_whole(three)
    assert [len(modules) for modules in three.parts().values()] == [3, 1, 1]
    families.assert_class_tensors_count(three)
    families.assert_only_class_tensors_differ(three, two)
    families.assert_blocks_recompute(two, frames(1, 5))
    assert len(two.blocks()) == 4 + 2


def test_any_shape_any_number_of_boxes_and_half_precision(learnt: tuple[Detector, torch.Tensor]):
    detector, _ = learnt
    families.assert_any_shape(detector, (2, 3))
    families.assert_any_number_of_boxes(detector, frames(1, 5))
    families.assert_works_in_half_precision(detector, frames(1, 5))


def test_what_another_precision_computed_before_changes_nothing(tiny: str):
    detector, images = fresh("rtdetr", tiny).eval(), frames(1).images
    before = detector.predict(images, 0.0, 1.0, 9)[0]
    with torch.autocast("cpu", torch.bfloat16):
        detector.predict(images, 0.0, 1.0, 9)
    assert torch.equal(before, detector.predict(images, 0.0, 1.0, 9)[0])


def _without_noise(detector: Detector) -> None:
    head = detector.network.model[-1]
    head.num_denoising = 0


def test_the_loss_is_a_mean_over_frames(tiny: str):
    families.assert_mean_over_frames(fresh("rtdetr", tiny), prepare=_without_noise)


def _same(detector: Detector, batch: Batch) -> dict[str, float]:
    torch.manual_seed(0)
    return {name: float(part.detach()) for name, part in detector(batch).items()}


def test_of_one_frame_it_is_ultralytics_own_loss(tiny: str):
    detector, batch = fresh("rtdetr", tiny).train(), frames(5)
    ours = _same(detector, batch)
    targets = {
        "img": batch.images.float() / 255,
        "batch_idx": batch.frame,
        "cls": batch.classes,
        "bboxes": torch.tensor([[0.359375, 0.28125, 0.1875, 0.375], [0.53125, 0.734375, 0.3125, 0.21875]]),
    }
    detector.network.nc = 2
    torch.manual_seed(0)
    total, main = detector.network.loss(targets)
    assert sum(ours.values()) == pytest.approx(float(total.detach()), rel=1e-5)
    assert all(float(main[name]) < ours[f"loss_{name.removesuffix('_loss')}"] for name in main)


@pytest.mark.parametrize("model", ["rtdetr-resnet50", "rtdetr-l"])
def test_models_of_full_size_predict(model: str):
    detector = fresh("rtdetr", model).eval()
    families.assert_parts_are_whole(detector)
    families.assert_class_tensors_count(detector)
    assert len(detector.class_tensors()) == 15 and len(detector.blocks()) > 15
    (rows,) = detector.predict(frames(1).images, 0.0, 1.0, 300)
    families.assert_best_first(rows, 2)
    assert len(rows) == 168  # two classes in each of the 64 + 16 + 4 places of the maps


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("rtdetr-xxl", "no model `rtdetr-xxl`"),
        ("absent.yaml", "no model `absent.yaml`"),
        ("yolov8n", "`yolov8n` is no detector of this family: name rtdetr-l"),
        ("broken.yaml", "`broken.yaml` cannot be built"),
    ],
)
def test_a_model_that_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, expected: str):
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text(RTDETR.replace("AIFI", "AIFII"))
    families.assert_input_error(lambda: fresh("rtdetr", model), "params.yaml: detector.model", expected)


def test_what_is_published():
    address = "https://github.com/ultralytics/assets/releases/download/v8.4.0/rtdetr-l.pt"
    assert RtDetr.published("rtdetr-l") == address
    families.assert_input_error(lambda: RtDetr.published("rtdetr-resnet50"), "no weights for `rtdetr-resnet50`")


def test_ultralytics_files_are_read(tiny: str, tmp_path: Path):
    made = fresh("rtdetr", tiny, ("person", "bus", "car"))
    made.network.half()
    torch.save({"model": as_made(made.network), "ema": None, "train_args": {"imgsz": 96}}, tmp_path / "tiny.pt")
    tensors, card = RtDetr.read(tmp_path / "tiny.pt", tiny)
    assert card.architecture.family == "rtdetr" and card.architecture.model == tiny and card.image_size == 96
    assert card.architecture.classes == ("person", "bus", "car")
    other = fresh("rtdetr", tiny, card.architecture.classes)
    other.network.load_state_dict(tensors)
    assert torch.equal(other.network.model[0].conv.weight, made.network.model[0].conv.weight.float())


@pytest.mark.parametrize("name", ["cut.pt", "text.pt", "net.onnx"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str):
    torch.save({"weight": torch.zeros(300)}, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"no weights" if name == "text.pt" else content[:700])
    families.assert_input_error(lambda: RtDetr.read(tmp_path / name, "rtdetr-l"), str(tmp_path / name))


def test_all_that_can_be_trained_has_a_gradient(tiny: str):
    detector = fresh("rtdetr", tiny).train()
    for batch in (frames(1), families.without_boxes(frames(1), 0)):
        detector.zero_grad()
        sum(detector(batch).values()).backward()
        assert [name for name, p in detector.named_parameters() if p.grad is None] == []
