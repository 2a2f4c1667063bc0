from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torchvision.ops import box_iou

from stages import detect
from stages.detectors import Architecture, build
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import load_detector, load_tensors, save_checkpoint
from stages.errors import InputError
from stages.files import sha256_of
from stages.sequences.detections import read_detections
from stages.training.gradients import Gradients
from tests import finetuning
from tests.finetuning import contents, forget, train
from tests.rectangles import boxes_of, write_params


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    with finetuning.project(tmp_path):
        yield tmp_path


def test_the_same_params_give_the_same_bytes(project: Path):
    train("stage1")
    first = contents("models/stage1", "plots/training")
    assert sorted(first) == ["models/stage1/card.json", "models/stage1/model.safetensors", "plots/training/stage1.csv"]
    forget()  # or the second would be the first run's end
    train("stage1")
    assert contents("models/stage1", "plots/training") == first
    write_params(project, {"seed": 1})
    train("stage1")
    assert contents("models/stage1")["models/stage1/model.safetensors"] != first["models/stage1/model.safetensors"]
    assert str(project).encode() not in b"".join(first.values())


def test_a_finished_run_again_is_written_from_where_it_was_saved(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    """DVC removes a stage's outputs and runs it again, although no params have changed."""
    write_params(project, {"stage1.keep_every": 1})
    train("stage1")
    first = contents("models/stage1", "plots/training", "metrics/runs/stage1.csv")
    assert "models/stage1/epochs/0002/model.safetensors" in first
    for path in first:
        Path(path).unlink()
    monkeypatch.setattr(Gradients, "compute", lambda *_: pytest.fail("nothing is left to train"))
    train("stage1")
    assert contents("models/stage1", "plots/training", "metrics/runs/stage1.csv") == first
    assert "goes on after step 4 of 4" in capfd.readouterr().err
    assert json.loads(Path("metrics/runs/stage1.json").read_text())["resumed_at_steps"] == []


def test_what_keep_every_keeps_are_checkpoints(project: Path):
    """Of four epochs, the second leaves what a run of two does."""
    changes = {"stage1.schedule": "constant", "stage1.lr": 0.01, "stage1.select": "last"}
    write_params(project, changes)
    train("stage1")
    two = load_tensors(Path("models/stage1"), load_card(Path("models/stage1")))
    write_params(project, changes | {"stage1.epochs": 5, "stage1.keep_every": 2})
    train("stage1")
    assert sorted(path.name for path in Path("models/stage1/epochs").iterdir()) == ["0002", "0004"]
    detector, card = load_detector(Path("models/stage1/epochs/0002"))
    assert card.selected == {"select": "keep_every", "epoch": 2} and card.image_size == 64
    state, last = detector.network.state_dict(), load_detector(Path("models/stage1"))[0].network.state_dict()
    assert all(torch.equal(state[name], two[name]) for name in two)
    assert not all(torch.equal(state[name], last[name]) for name in last)


def test_what_a_stage_leaves(project: Path):
    write_params(project, {"stage1.lr_backbone": 1e-4, "stage1.schedule": "constant", "stage1.validate_every": 2})
    train("stage1")
    card = json.loads(Path("models/stage1/card.json").read_text())
    parent = load_card(Path("models/pretrained"))
    assert card["parent"] == {"name": "pretrained", "sha256": parent.sha256}
    assert card["sha256"] == sha256_of("models/stage1/model.safetensors") and card["image_size"] == 64
    assert card["handoff"]["share"] == 1.0 and card["handoff"]["tensors"]["new"] == 0
    settings = card["settings"]
    rates = {group["part"]: group["base_lr"] for group in settings["groups"]}
    assert rates == {"backbone": 1e-4, "neck": 0.002, "head": 0.002}
    assert settings["lr_by_epoch"] == [0.002, 0.002] and settings["steps"] == 4 and settings["effective_batch"] == 4
    assert card["selected"] | {"score": 0} == {
        "select": "best",
        "weights": "ema",
        "metric": "mAP",
        "epoch": 2,
        "score": 0,
    }
    with Path("plots/training/stage1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "lr", "loss", "loss_box", "loss_cls", "loss_dfl", "mAP", "mAP50"]
    assert [row["epoch"] for row in rows] == ["1", "2"] and rows[0]["mAP"] == "" and float(rows[1]["mAP"]) >= 0
    parts = sum(float(rows[0][name]) for name in ("loss_box", "loss_cls", "loss_dfl"))
    assert float(rows[0]["loss"]) == pytest.approx(parts, abs=2e-6)
    cost = json.loads(Path("metrics/runs/stage1.json").read_text())
    assert cost["steps"] == 4 and cost["seconds"] > 0 and cost["peak_memory_mb"] > 50


def test_training_from_scratch_learns_the_rectangles(project: Path):
    changes = {"stage1.epochs": 40, "stage1.lr": 0.01, "stage1.validate_every": 40, "stage1.ema": 0.9}
    write_params(project, changes | {"stage1.mixture.sources.street.frames": 12})
    train("stage1")
    assert load_card(Path("models/stage1")).selected["score"] > 0.25
    detect.main("stage1")
    table = read_detections("data/detections/stage1/street/c.parquet", length=5, classes=2)
    for frame in range(1, 6):
        best = table[table[:, 0] == frame][0]
        left, top, width, height = boxes_of(frame, 14)[int(best[6])]  # the third sequence, hence 14
        truth = torch.tensor([[left, top, left + width, top + height]])
        assert box_iou(torch.from_numpy(best[None, 1:5]), truth) > 0.5


def test_the_second_stage_starts_from_the_first(project: Path):
    write_params(
        project, {"stage2.lr": 1e-12, "stage2.select": "last", "stage2.ema": 0.0, "stage2.freeze_batchnorm": True}
    )
    train("stage1")
    train("stage2")
    first, second = (
        load_tensors(Path(f"models/{name}"), load_card(Path(f"models/{name}"))) for name in ("stage1", "stage2")
    )
    assert all(torch.allclose(first[name], second[name], atol=1e-8) for name in first)
    assert load_card(Path("models/stage2")).parent == {
        "name": "stage1",
        "sha256": load_card(Path("models/stage1")).sha256,
    }
    assert load_card(Path("models/stage2")).selected["weights"] == "network"


def test_a_head_of_other_classes_is_mapped_on_the_way(project: Path):
    torch.manual_seed(3)
    parent = build(Architecture("yolo", "tiny.yaml", ("car", "bus", "person"), 3))
    save_checkpoint(Path("models/pretrained"), parent.network.state_dict(), Card(parent.architecture, 64))
    train("stage1")
    card = load_card(Path("models/stage1"))
    assert card.architecture == Architecture("yolo", "tiny.yaml", ("person", "car"), 3, sha256_of("tiny.yaml"))
    assert card.handoff["tensors"] == {
        "loaded": len(parent.network.state_dict()) - 4,
        "reshaped": 4,
        "new": 0,
        "dropped": 0,
    }
    assert load_detector(Path("models/stage1"))[0].architecture.classes == ("person", "car")


def test_bf16_trains(project: Path):
    write_params(project, {"stage1.memory.precision": "bf16"})
    train("stage1")
    assert load_card(Path("models/stage1")).settings["precision"] == "bf16"


def test_detections_are_boxes_inside_the_frame_with_the_pipelines_classes(project: Path):
    torch.manual_seed(3)
    network = build(Architecture("yolo", "tiny.yaml", ("car", "bus", "person"), 3))
    save_checkpoint(Path("models/stage1"), network.network.state_dict(), Card(network.architecture, 64))
    write_params(project, {"evaluation.detection": {"min_score": 0.0, "max_objects": 40, "batch": 2}})
    detect.main("stage1")
    assert sorted(contents("data/detections")) == [f"data/detections/stage1/{s}/c.parquet" for s in ("air", "street")]
    table = read_detections("data/detections/stage1/street/c.parquet", length=5, classes=2)
    assert set(table[:, 0]) == {1, 2, 3, 4, 5} and set(table[:, 6]) <= {0, 1}
    assert table[:, 1:5].min() >= 0 and table[:, 1:5].max() <= 64
    order = [(frame, -score) for frame, score in table[:, [0, 5]]]
    assert order == sorted(order)
    # Against the network itself: its class 2 is the pipeline's 0, its 0 the pipeline's 1, and its 1 is nothing.
    from stages.detectors.frames import stacked
    from stages.sequences.index import open_sequence

    image = stacked([open_sequence("street", "c").frame(4)], network.stride)
    (rows,) = network.eval().predict(image, 0.0, 0.7, 40)
    numbers = {2.0: 0, 0.0: 1}
    expected = [(round(float(row[4]), 5), numbers[float(row[5])]) for row in rows if float(row[5]) in numbers]
    found = [(round(score, 5), int(number)) for score, number in table[table[:, 0] == 4][:, 5:]]
    assert sorted(found) == [pytest.approx(item, abs=2e-5) for item in sorted(expected)]
    first = contents("data/detections")
    detect.main("stage1")
    assert contents("data/detections") == first


def test_a_checkpoint_none_of_whose_classes_fits(project: Path):
    network = build(Architecture("yolo", "tiny.yaml", ("bus",), 1))
    save_checkpoint(Path("models/stage1"), network.network.state_dict(), Card(network.architecture, 64))
    with pytest.raises(InputError, match=r"^models/stage1: none of its classes is one of person, car: take it out"):
        detect.main("stage1")
    assert not Path("data/detections").exists()
