"""The YAML file that describes a network, where `detector.model` names one: its sha256 goes where its network goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages.detectors.card import Architecture
from stages.errors import InputError
from stages.files import sha256_of


def description_of(model: str) -> str | None:
    """The sha256 of the file that ``model`` is; None for a name that its family knows, or a file that is not there."""
    path = Path(model)
    return sha256_of(path) if path.suffix == ".yaml" and path.is_file() else None


def described(architecture: Architecture) -> Architecture:
    """The architecture with its description's sha256.

    Raises `InputError` where it has one already, that of the weights that are to be loaded, and the file is another.
    """
    found = description_of(architecture.model)
    if architecture.description not in (None, found):
        what = "not there" if found is None else "not the file that these weights were made with (sha256 differs)"
        raise InputError(architecture.model, what, "put it back, or run `dvc repro`")
    return replace(architecture, description=found)
