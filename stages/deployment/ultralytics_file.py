"""A `.pt` that `ultralytics.YOLO(path)`, or `RTDETR(path)`, opens: a pickle of the network, in float32.

Ultralytics scales frames in another way (bilinear, padded on both sides): the same tensor gives the same predictions,
the same frame nearly the same. Training it further there makes a class head anew whose widths follow its own count
of classes; here it keeps those that it was made for.
"""

from __future__ import annotations

import copy
import io
import tempfile
from pathlib import Path

import torch

from stages.deployment.checking import Run
from stages.detectors.base import Detector, Exportable
from stages.detectors.card import Card
from stages.errors import InputError

OPENED_BY = {"yolo": "YOLO", "rtdetr": "RTDETR"}  # families, and what of Ultralytics opens their files


def write(
    detector: Detector, card: Card, exportable: Exportable, images: torch.Tensor, description: dict, path: Path
) -> None:
    """Write the network as Ultralytics' trainer leaves one; raises `InputError` for another family's."""
    from stages.detectors.ultralytics_networks import as_made

    family = card.architecture.family
    if family not in OPENED_BY:
        known = " and ".join(OPENED_BY)
        raise InputError("--to ultralytics", f"the family `{family}` is not Ultralytics'", f"{known} are; take onnx")
    network = as_made(copy.deepcopy(detector.network)).to(memory_format=torch.contiguous_format).eval()
    network.names = dict(enumerate(card.architecture.classes))
    network.task, network.criterion = "detect", None
    settings = {"task": "detect", "imgsz": card.image_size, "model": card.architecture.model, "data": None}
    network.args = dict(settings)
    checkpoint = {"epoch": -1, "best_fitness": None, "model": network, "ema": None, "updates": None, "optimizer": None}
    # By way of memory: PyTorch puts the file's name into the archive otherwise.
    content = io.BytesIO()
    torch.save(checkpoint | {"train_args": settings, "license": "AGPL-3.0"}, content)
    path.write_bytes(content.getvalue())


def open_file(path: Path, detector: Detector) -> Run:
    """Open a file as Ultralytics does; its network takes the place of the detector's own."""
    from stages.detectors.ultralytics_quietly import opener

    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "model.pt"  # it goes by the name
        named.symlink_to(path.resolve())
        network = opener(OPENED_BY[detector.architecture.family])(named).model
    other = copy.deepcopy(detector)
    other.network = network
    return other.exportable(0.0, 1.0, 0).module.eval()
