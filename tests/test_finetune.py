from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from torchvision.ops import box_iou

from stages import detect, download_weights, finetune, mixture
from stages.detectors import Architecture, build
from stages.detectors.checkpoint import Card, load_card, load_detector, load_tensors, save_checkpoint
from stages.errors import InputError
from stages.files import sha256_of
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from stages.sequences.detections import read_detections
from tests.rectangles import boxes_of, write_params, write_source

ROOT = Path(__file__).resolve().parent.parent
SEQUENCES = {"a": ("train", 12, 10.0), "b": ("val", 4, 10.0), "c": ("test", 5, 10.0)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources, their mixtures' beginning and weights from scratch: stage1 can train."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finetune.os, "sched_getaffinity", lambda _: {0})  # one thread: frames are tiny
    AcceleratorState._reset_state()
    torch.set_num_threads(1)
    for source in ("street", "air"):
        write_source(tmp_path, source, SEQUENCES)
    write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])
    write_params(tmp_path)
    download_weights.main()
    return tmp_path


def _train(stage: str) -> None:
    mixture.main(stage)
    finetune.main(stage)


def _bytes(*folders: str) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()
    }


def test_the_same_params_give_the_same_bytes(project: Path):
    _train("stage1")
    first = _bytes("models/stage1", "plots/training")
    assert sorted(first) == ["models/stage1/card.json", "models/stage1/model.safetensors", "plots/training/stage1.csv"]
    _train("stage1")
    assert _bytes("models/stage1", "plots/training") == first
    write_params(project, {"seed": 1})
    _train("stage1")
    assert _bytes("models/stage1")["models/stage1/model.safetensors"] != first["models/stage1/model.safetensors"]
    assert str(project).encode() not in b"".join(first.values())


def test_what_a_stage_leaves(project: Path):
    write_params(project, {"stage1.lr_backbone": 1e-4, "stage1.schedule": "constant", "stage1.validate_every": 2})
    _train("stage1")
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
    assert float(rows[0]["loss"]) == pytest.approx(parts, abs=1e-7)
    cost = json.loads(Path("metrics/runs/stage1.json").read_text())
    assert cost["steps"] == 4 and cost["seconds"] > 0 and cost["peak_memory_mb"] > 50


def test_training_from_scratch_learns_the_rectangles(project: Path):
    changes = {"stage1.epochs": 40, "stage1.lr": 0.01, "stage1.validate_every": 40, "stage1.ema": 0.9}
    write_params(project, changes | {"stage1.mixture.sources.street.frames": 12})
    _train("stage1")
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
    _train("stage1")
    _train("stage2")
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
    _train("stage1")
    card = load_card(Path("models/stage1"))
    assert card.architecture == Architecture("yolo", "tiny.yaml", ("person", "car"), 3)
    assert card.handoff["tensors"] == {
        "loaded": len(parent.network.state_dict()) - 4,
        "reshaped": 4,
        "new": 0,
        "dropped": 0,
    }
    assert load_detector(Path("models/stage1"))[0].architecture.classes == ("person", "car")


def _fails(stage: str, match: str) -> None:
    before = _bytes(".")
    with pytest.raises(InputError, match=match) as caught:
        finetune.main(stage)
    assert "\n" not in str(caught.value) and _bytes(".") == before


def test_a_loss_without_bounds_stops_with_one_line_and_leaves_nothing(project: Path):
    changes = {
        "lr": 1e30,
        "optimizer": "sgd",
        "clip_norm": None,
        "schedule": "constant",
        "epochs": 3,
        "validate_every": 3,
    }
    write_params(project, {f"stage1.{key}": value for key, value in changes.items()})
    mixture.main("stage1")
    _fails("stage1", r"^stage1: epoch \d: the loss is (nan|inf).*: lower stage1\.lr, lengthen stage1\.warmup")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU: fp16 trains on it")
def test_fp16_without_a_gpu_is_one_line(project: Path):
    write_params(project, {"stage1.memory.precision": "fp16"})
    mixture.main("stage1")
    _fails("stage1", r"stage1\.memory\.precision: fp16 needs a GPU and this machine has none: use fp32 or bf16$")


def test_bf16_trains(project: Path):
    write_params(project, {"stage1.memory.precision": "bf16"})
    _train("stage1")
    assert load_card(Path("models/stage1")).settings["precision"] == "bf16"


def test_what_is_missing_or_changed_is_one_line(project: Path):
    _fails("stage3", r"^stage3: no such stage: params\.yaml has stage1, stage2$")
    _fails("stage1", r"^data/mixtures/stage1/manifest\.json: no mixture .*: dvc repro mixture@stage1$")
    mixture.main("stage1")
    _fails("stage2", r"^models/stage1/card\.json: no such checkpoint: run `dvc repro` or `dvc pull`$")
    write_source(project, "street", SEQUENCES | {"a": ("train", 13, 10.0)})
    _fails("stage1", r"^data/sources/street/a\.zip: damaged, or not the archive that index.csv names: delete it")


def test_a_parent_of_another_architecture_is_one_line(project: Path):
    write_params(project, {"detector.model": "yolo11-pico"})
    mixture.main("stage1")
    _fails("stage1", r"^stage1: models/pretrained: the parent gave \d+\.\d% of the weights, 95% are asked for")


def test_detections_are_boxes_inside_the_frame_with_the_pipelines_classes(project: Path):
    torch.manual_seed(3)
    network = build(Architecture("yolo", "tiny.yaml", ("car", "bus", "person"), 3))
    save_checkpoint(Path("models/stage1"), network.network.state_dict(), Card(network.architecture, 64))
    write_params(project, {"evaluation.detection": {"min_score": 0.0, "max_objects": 40, "batch": 2}})
    detect.main("stage1")
    assert sorted(_bytes("data/detections")) == [f"data/detections/stage1/{s}/c.parquet" for s in ("air", "street")]
    table = read_detections("data/detections/stage1/street/c.parquet", length=5, classes=2)
    assert set(table[:, 0]) == {1, 2, 3, 4, 5} and set(table[:, 6]) <= {0, 1}
    assert table[:, 1:5].min() >= 0 and table[:, 1:5].max() <= 64
    order = [(frame, -score) for frame, score in table[:, [0, 5]]]
    assert order == sorted(order)
    # Against the network itself: its class 2 is the pipeline's 0, its 0 the pipeline's 1, and its 1 is nothing.
    from stages.detectors.frames import stacked
    from stages.sequences.index import open_sequence

    image = stacked([open_sequence("street", "c").frame(4)])
    (rows,) = network.eval().predict(image, 0.0, 0.7, 40)
    numbers = {2.0: 0, 0.0: 1}
    expected = [(round(float(row[4]), 5), numbers[float(row[5])]) for row in rows if float(row[5]) in numbers]
    found = [(round(score, 5), int(number)) for score, number in table[table[:, 0] == 4][:, 5:]]
    assert sorted(found) == [pytest.approx(item, abs=2e-5) for item in sorted(expected)]
    first = _bytes("data/detections")
    detect.main("stage1")
    assert _bytes("data/detections") == first


def test_a_checkpoint_none_of_whose_classes_fits(project: Path):
    network = build(Architecture("yolo", "tiny.yaml", ("bus",), 1))
    save_checkpoint(Path("models/stage1"), network.network.state_dict(), Card(network.architecture, 64))
    with pytest.raises(InputError, match=r"^models/stage1: none of its classes is one of person, car: take it out"):
        detect.main("stage1")
    assert not Path("data/detections").exists()


@pytest.mark.parametrize("module", ["finetune", "detect", "mixture"])
def test_a_stage_as_a_command_says_one_line(project: Path, module: str):
    command = [sys.executable, "-m", f"stages.{module}", "stage7"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "stage7" in result.stderr
