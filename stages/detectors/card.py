"""What card.json says of a checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from stages.errors import InputError

MODELS = Path("models")


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network again.

    ``base_classes`` is the number of classes that its inner widths were made for: fine-tuning changes the last
    layer of a class head and keeps everything before it. ``description`` is the sha256 of the YAML file that ``model``
    is, None where it is a name.
    """

    family: str
    model: str
    classes: tuple[str, ...]
    base_classes: int
    description: str | None = None


@dataclass(frozen=True)
class Card:
    """What card.json says of a checkpoint."""

    architecture: Architecture
    image_size: int
    sha256: str = ""  # of model.safetensors
    parent: dict | None = None  # name and sha256 of the checkpoint that training started from
    handoff: dict | None = None
    selected: dict | None = None
    settings: dict = field(default_factory=dict)


def load_card(folder: Path) -> Card:
    """Read card.json."""
    path = folder / "card.json"
    try:
        value = json.loads(path.read_text())
        architecture = value.pop("architecture")
        return Card(Architecture(**architecture | {"classes": tuple(architecture["classes"])}), **value)
    except FileNotFoundError:
        raise InputError(str(path), "no such checkpoint", "run `dvc repro` or `dvc pull`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"no checkpoint card ({error})", "delete it and run `dvc repro`") from None
