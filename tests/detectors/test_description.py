"""A network that a YAML file describes: what is made with it names its content, and goes with no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from stages import download_weights
from stages.detectors import Architecture, build
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import load_detector, save_checkpoint
from stages.detectors.description import described, description_of
from stages.errors import InputError
from stages.files import sha256_of
from stages.params.model import NETWORKS
from tests.pipeline import ROOT
from tests.rectangles import TINY_MODEL, write_params

TINY = Architecture("yolo", "tiny.yaml", ("person", "car"), 2)


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path)


def test_a_file_has_a_description_and_a_name_has_none():
    Path("weights.pt").touch()
    assert description_of("tiny.yaml") == sha256_of("tiny.yaml")
    assert [description_of(model) for model in ("yolov8-pico", "yolov8n.yaml", "weights.pt")] == [None] * 3
    assert described(TINY) == replace(TINY, description=sha256_of("tiny.yaml"))
    assert described(replace(TINY, model="yolov8-pico")).description is None


def test_cards_name_it():
    download_weights.main()
    assert load_card(Path("models/pretrained")).architecture == replace(TINY, description=sha256_of("tiny.yaml"))
    weights = {
        "path": "models/pretrained/model.safetensors",
        "sha256": sha256_of("models/pretrained/model.safetensors"),
    }
    write_params(Path.cwd(), {"weights": weights})
    download_weights.main()
    assert load_card(Path("models/pretrained")).architecture.description == sha256_of("tiny.yaml")


def test_weights_go_with_no_other_file():
    network = build(TINY)
    save_checkpoint(Path("models/a"), network.network.state_dict(), Card(network.architecture, 64))
    load_detector(Path("models/a"))
    Path("tiny.yaml").write_text(TINY_MODEL.replace("[16, 3, 2]", "[24, 3, 2]"))
    for what in (r"not the file that these weights were made with \(sha256 differs\)", "not there"):
        with pytest.raises(InputError, match=rf"^tiny\.yaml: {what}: put it back, or run `dvc repro`$"):
            load_detector(Path("models/a"))
        Path("tiny.yaml").unlink(missing_ok=True)


def test_dvc_sees_an_edit():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert NETWORKS in stages["download_weights"]["deps"] and (ROOT / NETWORKS / "README.md").is_file()
