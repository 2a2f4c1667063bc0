"""What card.json says of an appearance model in models/reid/NAME/, beside model.safetensors or model.onnx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from stages.errors import InputError
from stages.files import sha256_of, write_json

REID_MODELS = Path("models/reid")
SAFETENSORS, ONNX = "model.safetensors", "model.onnx"


@dataclass(frozen=True)
class ReidCard:
    """``file`` is one of the two; ``model`` is the OSNet, none for ONNX; ``image_size`` is height and width."""

    file: str
    model: str | None
    image_size: tuple[int, int]
    dimension: int
    sha256: str = ""  # of the file
    settings: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)  # of training, by epoch


def write_card(folder: Path, card: ReidCard, settings: Mapping[str, object] = MappingProxyType({})) -> None:
    """Write card.json, with the sha256 of the file that lies beside it, and more ``settings``."""
    written = {"sha256": sha256_of(folder / card.file), "settings": {**card.settings, **settings}}
    write_json(folder / "card.json", asdict(card) | written)


def load_reid_card(folder: Path) -> ReidCard:
    """Read card.json, and check that the file beside it is the one it was written for; raises `InputError`."""
    path = folder / "card.json"
    try:
        value = json.loads(path.read_text())
        card = ReidCard(**value | {"image_size": tuple(value["image_size"])})
    except FileNotFoundError:
        raise InputError(str(path), "no such appearance model", "run `dvc repro reid` or `dvc pull`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"no card of an appearance model ({error})", "run `dvc repro reid`") from None
    file = folder / card.file
    if not file.exists() or sha256_of(file) != card.sha256:
        what = "not the weights of its card (sha256 differs)" if file.exists() else "no weights"
        raise InputError(str(file), what, "run `dvc checkout` or `dvc repro reid`")
    return card
