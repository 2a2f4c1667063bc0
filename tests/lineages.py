"""A project with a chain of three small checkpoints, for what reads cards."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.detectors.base import Architecture
from stages.detectors.card import Card, load_card
from stages.detectors.checkpoint import save_checkpoint
from stages.files import write_json
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, write_mixture
from stages.training.handoff import HandoffReport

_SETTINGS = {
    "optimizer": "AdamW",
    "groups": [
        {"part": "backbone", "base_lr": 0.0002, "weight_decay": 0.1},
        {"part": "backbone", "base_lr": 0.0002, "weight_decay": 0.0},
        {"part": "neck", "base_lr": 0.002},
        {"part": "head", "base_lr": 0.002},
        {"part": "head", "base_lr": 0.004},
    ],
    "steps": 4,
    "epochs": 2,
    "lr_by_epoch": [0.002, 0.001],
    "schedule": "cosine",
    "freeze": {"parts": [], "thawed_after_epoch": None},
    "effective_batch": 8,
    "precision": "fp32",
}
_SCORES = {
    "stage1": {"street": {"HOTA": 0.631}},
    "stage2": {"street": {"HOTA": 0.6036, "mAP": 0.5062}, "air": {"HOTA": 0.613, "mAP": 0.4263}},
    "forgetting": {"stage2": {"street": 0.0274}},
}


def write_project(root: Path) -> None:
    """models/pretrained, stage1 and stage2, the last one's mixture, and scores."""
    origin = {"origin": {"path": "s3://bucket/weights.pt", "sha256": "ab" * 32}}
    _save(root, "pretrained", Card(Architecture("yolo", "tiny.yaml", ("bus",), 1), 640, settings=origin))
    _save(root, "stage1", Card(_network("person"), 64, parent=_parent(root, "pretrained"), settings={"steps": 2}))
    report = HandoffReport(
        loaded=["a", "b", "c"],
        reshaped=["head.weight"],
        new=["head.bias"],
        dropped=["old.weight"],
        carried_classes=["person"],
        new_classes=["car"],
        share=0.995,
    )
    selected = {"select": "best", "weights": "ema", "metric": "mAP", "epoch": 2, "score": 0.43121}
    card = Card(
        _network("person", "car"),
        64,
        parent=_parent(root, "stage1"),
        handoff=report.card(),
        selected=selected,
        settings=_SETTINGS,
    )
    _save(root, "stage2", card)
    clips = [
        Clip("air", "a", "train", (1, 3, 5), 0.5),
        Clip("air", "b", "train", (1, 3, 5), 0.5),
        Clip("street", "c", "train", (2, 4), 0.5),
        Clip("air", "d", "val", (1, 2, 3), 0.5),
    ]
    write_mixture(root / "data/mixtures/stage2", Manifest(("person", "car"), ("street", "air"), 0.0, {}), clips)
    write_json(root / "metrics/curriculum.json", _SCORES)


def _network(*classes: str) -> Architecture:
    return Architecture("yolo", "tiny.yaml", classes, 1)


def _parent(root: Path, name: str) -> dict:
    return {"name": name, "sha256": load_card(root / "models" / name).sha256}


def _save(root: Path, name: str, card: Card) -> None:
    save_checkpoint(root / "models" / name, {"w": torch.full((3,), float(len(name)))}, card)
