"""Which changes make another run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from stages import mixture
from stages.detectors.card import Card
from stages.params import Params
from stages.training import fingerprint as module
from stages.training.fingerprint import Fingerprint, differences, digest, fingerprint
from tests import rectangles, runs
from tests.pipeline import ROOT
from tests.rectangles import write_params
from tests.stub_detector import ARCHITECTURE

PARENT = Card(ARCHITECTURE, 64, sha256="parent")


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """In which parts the fingerprint of stage1 differs with changes to params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    runs.project(tmp_path)
    before = _fingerprint(runs.prepare(tmp_path, "stage1", {}))

    def compare(changes: dict | None = None, parent: Card = PARENT) -> list[str]:
        after = _fingerprint(write_params(tmp_path, changes), parent)
        assert (digest(before) == digest(after)) == (before == after)
        return differences(before, after)

    return compare


def _fingerprint(params: Params, parent: Card = PARENT) -> Fingerprint:
    return fingerprint(params, "stage1", parent)


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("stage1.lr", 0.003, "stage1.lr"),
        ("stage1.memory.batch", 2, "stage1.memory.batch"),
        ("stage1.augment.flip", 0.4, "stage1.augment.flip"),
        ("stage1.mixture.min_visibility", 0.5, "stage1.mixture.min_visibility"),
        ("stage1.compile", True, "stage1.compile"),
        ("seed", 1, "seed"),
        ("classes", ["car", "person"], "classes"),
        ("detector.model", "yolov8-pico", "detector"),
        ("compute", {"devices": 2}, "compute"),
    ],
)
def test_what_decides_on_the_weights_makes_another_run(changed: Callable, key: str, value: object, part: str):
    assert changed({key: value}) == [part]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage1.memory.workers", 3),
        ("stage2.lr", 0.1),
        ("logging", {"tensorboard": True}),
        ("evaluation.detection", {"batch": 3}),
        ("weights.path", "published"),
    ],
)
def test_what_does_not_changes_nothing(changed: Callable, key: str, value: object):
    assert changed({key: value} | ({"weights.sha256": "0" * 64} if key == "weights.path" else {})) == []


def test_the_port_changes_nothing(changed: Callable, tmp_path: Path):
    hosts = {"hosts": ["a", "b"]}
    assert changed({"compute": hosts}) == ["compute"]
    one, other = (_fingerprint(write_params(tmp_path, {"compute": hosts | {"port": n}})) for n in (30000, 30001))
    assert one == other


def test_the_parent_and_the_data_count(changed: Callable):
    assert changed(parent=Card(ARCHITECTURE, 64, sha256="other")) == ["parent's weights"]
    write_params(Path.cwd(), {"stage1.mixture.sources": {"air": {"frames": 4}}})
    mixture.main("stage1")
    assert changed() == ["mixture's files"]


def test_the_description_of_a_network_counts(changed: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rectangles, "TINY_MODEL", rectangles.TINY_MODEL.replace("[16, 3, 2]", "[24, 3, 2]"))
    assert changed() == ["detector"]


def test_the_code_counts(changed: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "stages/training/x.py"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(file.with_name("fingerprint.py")))
    file.write_text("a = 1\n")
    first = module._code()
    assert changed() == ["code"]
    (tmp_path / "stages/training/__pycache__").mkdir()
    (tmp_path / "stages/training/__pycache__/x.pyc").write_bytes(b"")
    (tmp_path / "stages/drawing").mkdir()
    (tmp_path / "stages/drawing/x.py").write_text("a = 1\n")  # what draws does not train
    assert module._code() == first
    file.write_text("a = 2\n")
    assert module._code() != first


def test_the_stage_itself_is_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "stages/training/fingerprint.py"))
    (tmp_path / "stages").mkdir()
    seen = [module._code()]
    for name in ("finetune.py", "tensors.py", "files.py"):
        (tmp_path / "stages" / name).write_text("a = 1\n")
        seen.append(module._code())
    (tmp_path / "stages/detect.py").write_text("a = 1\n")
    assert len(set(seen)) == 4 and module._code() == seen[-1]


def test_no_code_that_trains_is_left_out():
    """Of what the stage imports of this project, only what tells of a run, and by whom it was started, is not in it."""
    program = (
        "import stages.finetune, sys; from stages.detectors import FAMILIES, family; [family(f) for f in FAMILIES];"
        "print(*[name for name in sys.modules if name.startswith('stages.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    parts = {name.split(".")[1] for name in done.stdout.split()}
    covered = {*module._PACKAGES, *(name.removesuffix(".py") for name in module._MODULES)}
    assert covered <= parts and parts - covered == {"clock", "errors", "starter", "watching"}


@pytest.mark.parametrize("name", module._LIBRARIES)
def test_each_library_counts(changed: Callable, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(module, "version", lambda asked: "9.9" if asked == name else version(asked))
    assert changed() == ["libraries"]


def test_libraries_are_those_that_decide():
    assert {"faster-coco-eval", "scipy", "transformers", "rfdetr", "ultralytics"} <= set(module._LIBRARIES)


def test_pythons_version_counts(changed: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "python_version", lambda: "3.99.0")
    assert changed() == ["libraries"]


def test_the_machine_counts(changed: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert changed() == ["deterministic"]
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(module, "version", lambda name: "9.9")
    torch.set_num_threads(2)
    try:
        assert changed()[-2:] == ["libraries", "threads"]
    finally:
        torch.set_num_threads(1)
