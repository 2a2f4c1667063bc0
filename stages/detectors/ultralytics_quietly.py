"""Imports Ultralytics without what it does behind a user's back.

It would look for a network connection and for package updates, write a settings file into the user's home, install
missing packages, and replace functions of PyTorch and Pillow. This module says no to all of that, and nowhere else
is Ultralytics imported.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")
_settings = Path(tempfile.gettempdir()) / f"skyward-ultralytics-{os.getuid()}"
_settings.mkdir(mode=0o700, exist_ok=True)
os.environ.setdefault("YOLO_CONFIG_DIR", str(_settings))

_threads, _image_open, _torch_save = torch.get_num_threads(), Image.open, torch.save

from ultralytics.models.utils.loss import RTDETRDetectionLoss  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402
from ultralytics.optim import MuSGD  # noqa: E402
from ultralytics.utils import DEFAULT_CFG_DICT, IterableSimpleNamespace  # noqa: E402
from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES  # noqa: E402
from ultralytics.utils.loss import E2ELoss, v8DetectionLoss  # noqa: E402
from ultralytics.utils.metrics import bbox_iou  # noqa: E402

# Ultralytics puts its own in the place of each.
torch.set_num_threads(_threads)
Image.open, torch.save = _image_open, _torch_save

__all__ = [
    "DEFAULT_CFG_DICT",
    "GITHUB_ASSETS_NAMES",
    "E2ELoss",
    "IterableSimpleNamespace",
    "MuSGD",
    "RTDETRDetectionLoss",
    "bbox_iou",
    "opener",
    "tasks",
    "v8DetectionLoss",
]


def opener(name: str) -> Callable[[Path], object]:
    """Ultralytics' class `YOLO` or `RTDETR`, which opens its files."""
    from ultralytics import models

    return getattr(models, name)
