from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from stages.detectors import Architecture, build
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import fill, load_detector, load_tensors, save_checkpoint
from stages.errors import InputError
from stages.files import sha256_of
from tests.rectangles import TINY_MODEL


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    Path("tiny.yaml").write_text(TINY_MODEL)
    torch.manual_seed(0)
    detector = build(Architecture("yolo", "tiny.yaml", ("person", "car"), 80))
    card = Card(detector.architecture, 64, parent={"name": "pretrained", "sha256": "ab"}, settings={"steps": 3})
    save_checkpoint(tmp_path / "models/one", detector.network.state_dict(), card)
    return tmp_path / "models/one"


def test_a_loaded_checkpoint_predicts_the_same(folder: Path):
    torch.manual_seed(0)
    original = build(Architecture("yolo", "tiny.yaml", ("person", "car"), 80)).eval()
    loaded, card = load_detector(folder)
    images = torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8)
    for one, other in zip(original.predict(images, 0.0, 0.7, 20), loaded.predict(images, 0.0, 0.7, 20), strict=True):
        assert len(one) == 20 and torch.equal(one, other)
    assert card.architecture == original.architecture and (card.image_size, card.settings) == (64, {"steps": 3})
    assert card.sha256 == sha256_of(folder / "model.safetensors") and not loaded.training


def test_the_same_weights_are_the_same_bytes(folder: Path, tmp_path: Path):
    detector, card = load_detector(folder)
    save_checkpoint(tmp_path / "again", detector.network.state_dict(), card)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()
    }
    assert json.loads((folder / "card.json").read_text()).keys() == asdict(card).keys()


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps({"weight": [1.0]}))


def _torch_pickle(folder: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, folder / "model.safetensors")


def _truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _cut_short(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x10\x00")


def _empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _changed(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def _absent(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_card(folder: Path) -> None:
    (folder / "card.json").unlink()


def _half_card(folder: Path) -> None:
    path = folder / "card.json"
    path.write_text(path.read_text()[:50])


def _list_card(folder: Path) -> None:
    (folder / "card.json").write_text("[]")


def _foreign_card(folder: Path) -> None:
    (folder / "card.json").write_text('{"architecture": {"family": "yolo"}, "image_size": 64}')


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_pickle, "model.safetensors: no safetensors file but a pickle: delete it"),
        (_torch_pickle, "model.safetensors: no safetensors file but a pickle: delete it"),
        (_truncated, "model.safetensors: no safetensors file but damaged"),
        (_cut_short, "model.safetensors: no safetensors file but damaged"),
        (_empty, "model.safetensors: no safetensors file but damaged"),
        (_changed, "model.safetensors: not the weights of its card (sha256 differs): run `dvc checkout`"),
        (_absent, "model.safetensors: no weights: run `dvc repro` or `dvc pull`"),
        (_no_card, "card.json: no such checkpoint: run `dvc repro` or `dvc pull`"),
        (_half_card, "card.json: no checkpoint card ("),
        (_list_card, "card.json: no checkpoint card ("),
        (_foreign_card, "card.json: no checkpoint card ("),
    ],
)
def test_a_damaged_checkpoint_is_one_line(folder: Path, damage, expected: str):
    damage(folder)
    with pytest.raises(InputError) as caught:
        load_detector(folder)
    assert str(caught.value).startswith(f"{folder}/{expected}") and "\n" not in str(caught.value)


def test_weights_of_another_network_are_one_line(folder: Path):
    other = build(Architecture("yolo", "tiny.yaml", ("person",), 1))
    with pytest.raises(InputError) as caught:
        fill(other, load_tensors(folder, load_card(folder)), "net.pt")
    assert str(caught.value).startswith("net.pt: weights do not fit `tiny.yaml` (size mismatch")
    assert "\n" not in str(caught.value)
