"""Which top-level blocks of params.yaml a stage reads, against those that dvc.yaml says it depends on."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType

import pytest
import yaml

from stages.params import Params
from tests.footage import ROOT


def declared(stage: str) -> set[str]:
    """The top-level keys in a stage's `params:` in dvc.yaml; `stages` for a curriculum stage's own block."""
    block = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    keys = {key.split(".")[0] for key in block.get("do", block)["params"]}
    return {"stages" if key == "${key}" else key for key in keys}


def read(module: ModuleType, run: Callable[[], object]) -> set[str]:
    """The top-level keys that ``run`` reads of what ``module`` loads; checking params.yaml itself does not count."""
    found: set[str] = set()
    load, get = module.load_params, Params.__getattribute__

    def loading() -> Params:
        params = load()
        found.clear()
        return params

    def getting(self: Params, name: str) -> object:
        found.update({name} & Params.model_fields.keys())
        return get(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: {0})  # in this process, where reading is seen
        patch.setattr(module, "load_params", loading)
        patch.setattr(Params, "__getattribute__", getting)
        run()
    return found
