"""The stage `download_weights`: the checkpoint that the curriculum starts from.

Fetches `weights.path` (`published`: what the model's makers publish), checks its sha256 and writes
models/pretrained/ as tensors with a card; `scratch` gives a network of the pipeline's classes with fresh weights.
Run as `python -m stages.download_weights`.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from stages.detectors import Architecture, build, family
from stages.detectors.card import MODELS, Card
from stages.detectors.checkpoint import fill, save_checkpoint
from stages.detectors.pretrained import read_pretrained
from stages.errors import run_stage
from stages.params import Params, load_params
from stages.params.model import PRETRAINED
from stages.sequences.seeds import derive_seed
from stages.transport.fetch import fetch


def main() -> None:
    """Write models/pretrained/."""
    params = load_params()
    weights = params.weights
    if weights.path == "scratch":
        tensors, card = _scratch(params)
    else:
        published = weights.path == "published"
        address = family(params.detector.family).published(params.detector.model) if published else weights.path
        path = fetch(address, sha256=weights.sha256, endpoint_url=weights.endpoint_url, anonymous=weights.anonymous)
        tensors, card = read_pretrained(path, params.detector.family, params.detector.model)
        detector = build(card.architecture)
        fill(detector, tensors, address)
        origin = {"origin": {"file": _name(address), "sha256": weights.sha256}}
        card = replace(card, architecture=detector.architecture, settings=card.settings | origin)
    save_checkpoint(MODELS / PRETRAINED, tensors, card)


def _name(address: str) -> str:
    """The file alone: where it lies differs from machine to machine, and may be a secret."""
    return address.partition("?")[0].rpartition("/")[2]


def _scratch(params: Params) -> tuple[dict[str, torch.Tensor], Card]:
    torch.manual_seed(derive_seed(params.seed, "scratch"))
    classes = params.classes
    detector = build(Architecture(params.detector.family, params.detector.model, classes, len(classes)))
    return detector.network.state_dict(), Card(detector.architecture, image_size=640, settings={"weights": "scratch"})


if __name__ == "__main__":
    run_stage(main)
