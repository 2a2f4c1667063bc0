from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stages.detectors.base import Architecture
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import save_checkpoint
from stages.detectors.lineage import WIDTH, require_unbroken, to_text, trace
from stages.errors import InputError
from tests.lineages import write_project


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path / "models"


def _text(folder: Path) -> list[str]:
    """The chain as lines, without what is before models/."""
    return to_text(trace(folder)).replace(str(folder.parent.parent) + "/", "").splitlines()


def test_the_chain_goes_down_to_the_pretrained_file(models: Path):
    chain = trace(models / "stage2")
    assert [link.folder for link in chain] == [models / "stage2", models / "stage1", models / "pretrained"]
    assert not any(link.problem for link in chain)
    assert [link.expected for link in chain] == ["", load_card(models / "stage1").sha256, chain[2].card.sha256]
    require_unbroken(chain)


def test_each_checkpoint_is_told_with_data_params_handoff_and_scores(models: Path):
    sums = [load_card(models / name).sha256[:16] for name in ("stage2", "stage1", "pretrained")]
    assert _text(models / "stage2") == [
        "models/stage2",
        f"  weights    sha256 {sums[0]}",
        "  network    yolo tiny.yaml, 64 px: person, car",
        "  data       air 6, street 2 frames; validation air 3",
        "  training   epochs 2, steps 4, effective batch 8, optimizer AdamW, precision fp32",
        "  lr         backbone 0.0002, neck 0.002, head 0.002/0.004",
        "  settings   schedule cosine",
        "             freeze parts [], thawed_after_epoch none",
        "  hand-off   99.50% of the numbers; tensors: 3 loaded, 1 reshaped, 1 new, 1 dropped",
        "             reshaped: head.weight",
        "             new: head.bias",
        "             dropped: old.weight",
        "             classes carried: person; new: car",
        "  validation mAP 0.4312 at epoch 2; select best, weights ema",
        "  test       street  HOTA 0.6036   mAP 0.5062",
        "             air     HOTA 0.613    mAP 0.4263",
        "  forgetting street 0.0274",
        "",
        "models/stage1",
        f"  as parent  sha256 {sums[1]} in its child's card, and of this file",
        "  network    yolo tiny.yaml, 64 px: person",
        "  data       no mixture stage1 here: run `dvc checkout` to see what it was",
        "  training   steps 2",
        "  test       street  HOTA 0.631",
        "",
        "models/pretrained",
        f"  as parent  sha256 {sums[2]} in its child's card, and of this file",
        "  network    yolo tiny.yaml, 640 px: bus",
        "  origin     path s3://bucket/weights.pt",
        f"             sha256 {'ab' * 32}",
    ]


def test_lines_stay_within_the_width(models: Path):
    card = load_card(models / "stage1")
    settings = {"batchnorm": "a long story " * 30, "one": "x" * 300, "groups": []}
    names = [f"network.layers.{n}.attention.weight" for n in range(40)]
    handoff = {"tensors": {"new": 40}, "new": names, "share": 0.5}
    card = Card(card.architecture, 64, parent=card.parent, handoff=handoff, settings=settings)
    save_checkpoint(models / "stage1", {"w": torch.zeros(3)}, card)
    lines = _text(models / "stage1")
    assert max(map(len, lines)) <= WIDTH
    assert any(line.endswith("and 32 more") for line in lines)


def _lose_parent(models: Path) -> None:
    (models / "stage1").rename(models / "elsewhere")


def _train_parent_again(models: Path) -> None:
    save_checkpoint(models / "stage1", {"w": torch.full((3,), 7.0)}, load_card(models / "stage1"))


def _swap_weights(models: Path) -> None:
    (models / "stage1/model.safetensors").write_bytes((models / "pretrained/model.safetensors").read_bytes())


def _lose_weights(models: Path) -> None:
    (models / "stage1/model.safetensors").unlink()


def _spoil_card(models: Path) -> None:
    (models / "stage1/card.json").write_text("{")


def _go_round(models: Path) -> None:
    card = json.loads((models / "stage1/card.json").read_text())
    (models / "stage1/card.json").write_text(json.dumps(card | {"parent": {"name": "stage2", "sha256": "0" * 64}}))


def _lose_own_weights(models: Path) -> None:
    (models / "stage2/model.safetensors").unlink()


@pytest.mark.parametrize(
    ("change", "where", "what", "shown"),
    [
        (_lose_parent, "stage1", "no such checkpoint", 2),
        (_train_parent_again, "stage1", r"other weights than those that .*models/stage2 was trained from", 3),
        (_swap_weights, "stage1", r"not the weights of its card \(sha256 differs\)", 3),
        (_lose_weights, "stage1", "no weights beside the card", 3),
        (_spoil_card, "stage1", r"no checkpoint card \(.*\)", 2),
        (_go_round, "stage2", "comes before itself", 3),
        (_lose_own_weights, "stage2", "no weights beside the card", 3),
    ],
)
def test_a_broken_chain_is_shown_and_then_an_error(models: Path, change, where: str, what: str, shown: int):
    change(models)
    chain = trace(models / "stage2")
    assert len(chain) == shown
    block = "\n".join(_text(models / "stage2"))
    assert block.count("BROKEN") == 1 and block.startswith("models/stage2\n")
    with pytest.raises(InputError, match=rf"models/{where}: the chain is broken: {what}: run `dvc checkout`") as caught:
        require_unbroken(chain)
    assert "\n" not in str(caught.value)


def test_a_mixture_that_changed_since_is_said(models: Path):
    card = load_card(models / "stage2")
    for sum_, said in (("0" * 64, True), ("", False)):
        changed = Card(card.architecture, 64, parent=card.parent, settings={"mixture": {"sha256": sum_}})
        save_checkpoint(models / "stage2", {"w": torch.zeros(3)}, changed)
        assert any("not the one that it was trained on" in line for line in _text(models / "stage2")) is said


def test_the_first_checkpoint_must_have_a_card(models: Path):
    with pytest.raises(InputError, match=r"models/stage7/card\.json: no such checkpoint: run `dvc repro`"):
        trace(models / "stage7")


def test_scores_that_cannot_be_read_are_one_line(models: Path):
    (models.parent / "metrics/curriculum.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics/curriculum\.json: no JSON \(.*\): delete it"):
        _text(models / "stage2")


def test_a_folder_may_be_named_from_within(models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(models / "stage2")
    assert len(trace(Path())) == 3
    monkeypatch.chdir(models)
    assert "forgetting" in to_text(trace(Path("stage2")))


def test_a_checkpoint_that_says_nothing_of_itself(tmp_path: Path):
    folder = tmp_path / "models/lonely"
    save_checkpoint(folder, {"w": torch.zeros(3)}, Card(Architecture("simple", "small", ("car",), 1), 64))
    weights = f"  weights    sha256 {load_card(folder).sha256[:16]}"
    assert _text(folder) == ["models/lonely", weights, "  network    simple small, 64 px: car"]
