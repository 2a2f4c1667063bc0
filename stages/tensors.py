"""Tensors on disk: safetensors files, written and read. No pickle."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stages.errors import InputError


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; raises `InputError` for a pickle or a damaged file."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(str(path), "no weights", "run `dvc repro` or `dvc pull`") from None
    except SafetensorError as error:
        kind = "a pickle" if _is_pickle(path) else f"damaged ({error})"
        raise InputError(str(path), f"no safetensors file but {kind}", "delete it and run `dvc repro`") from None


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; raises `OSError` where the system refuses, which the library hides in a text."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
