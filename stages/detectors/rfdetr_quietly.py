"""Imports RF-DETR's networks and losses without the rest of its package, and without what that does to a process.

Its `__init__` would import data sets, trainer and exporters (2 seconds), add a finder to Python's imports and give
NumPy a removed name back; its logger writes to the terminal, and Triton sets an environment variable. Nowhere else is
RF-DETR imported.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import warnings
from types import ModuleType


def _package_alone(name: str) -> ModuleType:
    """The package without what its `__init__` does, so that its modules can be imported."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    return package


logging.getLogger("rf-detr").addHandler(logging.NullHandler())  # it adds its own to a logger that has none
logging.getLogger("rf-detr").propagate = False
_environment = dict(os.environ)
_alone = "rfdetr" not in sys.modules
if _alone:
    sys.modules["rfdetr"] = _package_alone("rfdetr")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import rfdetr._namespace  # noqa: F401  (what is imported below would import it later)
    from rfdetr import config
    from rfdetr.assets.coco_classes import COCO_CLASSES
    from rfdetr.assets.model_weights import ModelWeights
    from rfdetr.models.criterion import SetCriterion
    from rfdetr.models.lwdetr import build_criterion_from_config, build_model_from_config
    from rfdetr.utilities.box_ops import elementwise_box_iou
    from rfdetr.utilities.tensors import NestedTensor
if _alone:
    del sys.modules["rfdetr"]  # whoever imports it after this has all of it
for _name in os.environ.keys() - _environment.keys():
    del os.environ[_name]

__all__ = [
    "COCO_CLASSES",
    "ModelWeights",
    "NestedTensor",
    "SetCriterion",
    "build_criterion_from_config",
    "build_model_from_config",
    "config",
    "elementwise_box_iou",
]
