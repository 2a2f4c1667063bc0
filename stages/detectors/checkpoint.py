"""A checkpoint on disk: `models/NAME/` with model.safetensors and card.json. No pickle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from stages.detectors import build
from stages.detectors.base import Detector
from stages.detectors.card import Card, load_card
from stages.errors import InputError
from stages.files import replacing, sha256_of, write_json
from stages.tensors import read_safetensors, write_safetensors


def save_checkpoint(
    folder: Path, tensors: dict[str, torch.Tensor], card: Card, epochs: Mapping[int, Path] | None = None
) -> None:
    """Write a checkpoint's folder in one step. ``tensors`` is the network's state.

    ``epochs`` are files of other epochs' weights: each becomes a checkpoint of its own, epochs/NNNN/ in the folder.
    """
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        write_safetensors(partial / "model.safetensors", tensors)
        _write_card(partial, card)
        for epoch, file in (epochs or {}).items():
            place = partial / "epochs" / f"{epoch:04d}"
            place.mkdir(parents=True)
            shutil.copyfile(file, place / "model.safetensors")
            _write_card(place, replace(card, selected={"select": "keep_every", "epoch": epoch}))


def _write_card(folder: Path, card: Card) -> None:
    write_json(folder / "card.json", asdict(card) | {"sha256": sha256_of(folder / "model.safetensors")})


def load_tensors(folder: Path, card: Card) -> dict[str, torch.Tensor]:
    """Read the network's state, checked against the card's sha256."""
    path = folder / "model.safetensors"
    tensors = read_safetensors(path)
    if sha256_of(path) != card.sha256:
        raise InputError(str(path), "not the weights of its card (sha256 differs)", "run `dvc checkout` or `dvc repro`")
    return tensors


def load_detector(folder: Path, device: torch.device | str = "cpu") -> tuple[Detector, Card]:
    """Build a checkpoint's network and give it all of its weights."""
    card = load_card(folder)
    detector = build(card.architecture)
    fill(detector, load_tensors(folder, card), str(folder))
    return detector.to(device).eval(), card


def fill(detector: Detector, tensors: dict[str, torch.Tensor], where: str) -> None:
    """Give a network all of its weights; raises `InputError` naming ``where`` unless every tensor fits."""
    try:
        detector.network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        model, reason = detector.architecture.model, str(error).splitlines()[-1].strip()[:100]
        raise InputError(where, f"weights do not fit `{model}` ({reason})", "set detector.model to theirs") from None
