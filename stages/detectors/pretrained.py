"""Reads weights from outside: safetensors with their card, and what each family's makers publish."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.detectors import family
from stages.detectors.card import Card, load_card
from stages.tensors import read_safetensors


def read_pretrained(path: Path, family_name: str, model: str) -> tuple[dict[str, torch.Tensor], Card]:
    """The tensors of a weight file, and a card that says how to build their network, a ``model`` of the family.

    A `.safetensors` file needs its card.json beside it, as `models/NAME/` has; other files are the family's to read.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path), load_card(path.parent)
    return family(family_name).read(path, model)
