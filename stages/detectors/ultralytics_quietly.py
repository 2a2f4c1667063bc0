"""Imports Ultralytics without what it does behind a user's back.

It would look for a network connection and for package updates, write a settings file into the user's home, and
install missing packages. This module says no to all of that before the first import, and nowhere else is
Ultralytics imported.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")
_settings = Path(tempfile.gettempdir()) / f"skyward-ultralytics-{os.getuid()}"
_settings.mkdir(mode=0o700, exist_ok=True)
os.environ.setdefault("YOLO_CONFIG_DIR", str(_settings))

_threads = torch.get_num_threads()

from ultralytics.nn import tasks  # noqa: E402
from ultralytics.utils import DEFAULT_CFG_DICT, IterableSimpleNamespace  # noqa: E402

torch.set_num_threads(_threads)  # Ultralytics may have lowered it

__all__ = ["DEFAULT_CFG_DICT", "IterableSimpleNamespace", "tasks"]
