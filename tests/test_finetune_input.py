"""What a stage makes of bad input: it works, or it stops with one line and leaves what was there."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import download_weights, finetune, mixture
from stages.detectors import Architecture, build
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import save_checkpoint
from stages.errors import InputError, run_stage
from stages.files import sha256_of
from stages.mixtures.mixture import MIXTURES, read_clips
from stages.training.gradients import Gradients
from stages.training.loop import Trainer
from tests import finetuning, rectangles, runs
from tests.finetuning import SEQUENCES, contents, forget, train
from tests.rectangles import write_params, write_source

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    with finetuning.project(tmp_path):
        yield tmp_path


def _fails(stage: str, match: str) -> None:
    before = contents(".")
    with pytest.raises(InputError, match=match) as caught:
        finetune.main(stage)
    assert "\n" not in str(caught.value) and contents(".") == before


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
    frames = r"(street/a frame \d+, ){3}street/a frame \d+"
    _fails("stage1", rf"^stage1: epoch \d: {frames}: the (loss|gradient's norm) is (nan|inf): look at .*fp32$")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU: fp16 trains on it")
def test_fp16_without_a_gpu_is_one_line(project: Path):
    write_params(project, {"stage1.memory.precision": "fp16"})
    mixture.main("stage1")
    _fails("stage1", r"stage1\.memory\.precision: fp16 needs a GPU and this machine has none: use fp32 or bf16$")


def test_what_is_missing_or_changed_is_one_line(project: Path):
    _fails("stage3", r"^stage3: no such stage: params\.yaml has stage1, stage2: did you mean `stage2`\?$")
    _fails("stage1", r"^data/mixtures/stage1/manifest\.json: no mixture .*: dvc repro mixture@stage1$")
    mixture.main("stage1")
    _fails("stage2", r"^models/stage1/card\.json: no such checkpoint: run `dvc repro` or `dvc pull`$")
    write_source(project, "street", SEQUENCES | {"a": ("train", 13, 10.0)})
    _fails("stage1", r"^data/sources/street/a\.zip: damaged, or not the archive that index.csv names: delete it")


def test_a_parent_of_another_architecture_or_family_is_one_line(project: Path):
    mixture.main("stage1")
    write_params(project, {"detector.model": "yolo11-pico"})
    _fails("stage1", r"^stage1: models/pretrained: the parent gave \d+\.\d% of the weights, 95% are asked for")
    write_params(project, {"detector": {"family": "simple", "model": "small"}})
    _fails("stage1", r"^stage1: models/pretrained: holds a `yolo` network, and detector\.family is `simple`: set")


def test_an_edited_description_is_one_line(project: Path):
    """A run that was killed would otherwise meet tensors of other sizes."""
    train("stage1")
    Path("tiny.yaml").write_text(rectangles.TINY_MODEL.replace("[16, 3, 2]", "[24, 3, 2]"))
    _fails("stage1", r"^tiny\.yaml: not the file that these weights were made with \(sha256 differs\): put it back, or")
    download_weights.main()  # as DVC does
    finetune.main("stage1")
    assert load_card(Path("models/stage1")).architecture.description == sha256_of("tiny.yaml")


def test_a_parent_of_other_classes_gives_what_it_knows(project: Path):
    torch.manual_seed(3)
    parent = build(Architecture("yolo", "tiny.yaml", ("bus", "car"), 2))
    save_checkpoint(Path("models/pretrained"), parent.network.state_dict(), Card(parent.architecture, 64))
    train("stage1")
    handoff = json.loads(Path("models/stage1/card.json").read_text())["handoff"]
    assert handoff["carried_classes"] == ["car"] and handoff["new_classes"] == ["person"] and handoff["share"] < 1
    write_params(project, {"stage1.min_loaded": 1.0})
    _fails("stage1", r"^stage1: models/pretrained: the parent gave 99\.\d% of the weights, 100% are asked for")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no weights: run `dvc repro` or `dvc pull`"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), r"no safetensors file but damaged \(.*\): delete it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4] + b"\1\1\1\1"), r"not the weights of its card \(sha256"),
    ],
)
def test_a_parent_without_whole_weights_is_one_line(project: Path, damage, message: str):
    mixture.main("stage1")
    damage(Path("models/pretrained/model.safetensors"))
    _fails("stage1", rf"^models/pretrained/model\.safetensors: {message}")


def _train_on(project: Path, changes: dict) -> dict:
    """The run's report, with ``changes`` to stage1."""
    write_params(project, {f"stage1.{key}": value for key, value in changes.items()})
    train("stage1")
    with Path("plots/training/stage1.csv").open() as file:
        losses = [float(line.split(",")[2]) for line in file.readlines()[1:]]
    assert len(losses) == 2 and np.isfinite(losses).all()
    return json.loads(Path("metrics/runs/stage1.json").read_text())


def test_frames_without_boxes_train_alone_and_beside_others(project: Path):
    write_source(project, "air", SEQUENCES, classes=())
    _train_on(project, {"mixture.sources": {"street": {"frames": 4}, "air": {"frames": 8}}})
    assert {clip.source for clip in read_clips(MIXTURES / "stage1", "train")} == {"street", "air"}
    _train_on(project, {"mixture.sources": {"air": {"frames": 8}}, "mixture.lacks": ["person", "car"]})


def test_a_thousand_boxes_in_a_frame(project: Path, monkeypatch: pytest.MonkeyPatch):
    def crowd(frames: int, *_: object) -> np.ndarray:
        numbers = np.arange(1000)
        ones = np.ones(1000)
        columns = [numbers % 59, numbers // 25, ones * 5, ones * (4 + numbers % 3), ones, 1 + 2 * (numbers % 2), ones]
        return np.vstack([np.column_stack([ones * frame, 1 + numbers, *columns]) for frame in range(1, frames + 1)])

    monkeypatch.setattr(rectangles, "ground_truth", crowd)
    write_source(project, "street", SEQUENCES)
    still = {"augment": {"flip": 0.0, "scale": [1.0, 1.0], "translate": 0.0}}
    assert _train_on(project, still)["objects_left_out"] == 0
    assert _train_on(project, still | {"memory.max_objects": 300})["objects_left_out"] == 2 * 8 * 700


def _command(project: Path, most_bytes: int) -> subprocess.CompletedProcess:
    """`python -m stages.finetune stage1` on one core, where no file may be larger."""

    def limit() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    command = [sys.executable, "-m", "stages.finetune", "stage1"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(project)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=limit)


def test_a_full_disk_is_one_line_and_the_run_goes_on_from_the_state_before(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    train("stage1")
    whole = contents("models/stage1", "plots")
    forget()
    with monkeypatch.context() as patch, pytest.raises(runs.KilledError):
        patch.setattr(Trainer, "_step", _dying_after(2, Trainer._step))
        train("stage1")
    [state] = Path(".skyward/runs").glob("*/state.safetensors")
    saved = state.read_bytes()
    result = _command(project, 50_000)
    assert result.returncode == 1 and result.stderr.count("error") == 1 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        f"error: {state.parent}/.state.safetensors.partial: file too large: "
        "free some space or make the place writable, then run again"
    )
    assert state.read_bytes() == saved and not list(state.parent.glob(".*partial"))
    assert contents("models/stage1", "plots") == whole  # the last that there was
    train("stage1")
    assert contents("models/stage1", "plots") == whole
    assert json.loads(Path("metrics/runs/stage1.json").read_text())["resumed_at_steps"] == [2]


def _dying_after(step: int, whole_step):
    def die(self: Trainer, *arguments: object) -> None:
        if self.progress.step == step:
            self.saves.save(self.state)
            raise runs.KilledError
        whole_step(self, *arguments)

    return die


def test_a_read_only_models_folder_is_one_line_and_costs_no_training(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    mixture.main("stage1")
    make = Path.mkdir

    def refuse(path: Path, *arguments: object, **options: object) -> None:
        if path.parent == Path("models"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        make(path, *arguments, **options)

    monkeypatch.setattr(sys, "argv", ["finetune", "stage1"])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(Path, "mkdir", refuse)
        run_stage(finetune.main)
    line = "error: models/.stage1.partial: read-only file system: free some space or make the place writable"
    assert caught.value.code == 1 and line in capsys.readouterr().err.splitlines()[-1]
    assert not Path("models/stage1").exists()
    monkeypatch.setattr(Gradients, "compute", lambda *_: pytest.fail("all is trained"))
    run_stage(finetune.main)
    assert Path("models/stage1/card.json").exists()


@pytest.mark.parametrize("module", ["finetune", "detect", "mixture"])
def test_a_stage_as_a_command_says_one_line(project: Path, module: str):
    command = [sys.executable, "-m", f"stages.{module}", "stage7"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "stage7" in result.stderr
