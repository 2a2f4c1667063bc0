"""Writes a checkpoint for other programs, once it has been shown to find on real frames what PyTorch finds.

`TARGETS` names the kinds of file, one module each, which has `write` and `open_file`. Beside every file stands
FILE.json: what goes in, what comes out, the checkpoint it is of, and what the check measured.
"""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from stages.deployment.checking import Difference, check, input_of
from stages.deployment.description import describe
from stages.deployment.real_frames import RealFrame
from stages.deployment.tracing import example
from stages.detectors.base import Detector
from stages.detectors.card import Card
from stages.errors import InputError
from stages.files import replacing, sha256_of, write_json
from stages.params.model import Detection

EXPORTS = Path("exports")
TARGETS = {  # the module of each, and how its files' names end
    "onnx": ("onnx_file", ".onnx"),
    "torchscript": ("torchscript_file", ".torchscript"),
    "ultralytics": ("ultralytics_file", ".pt"),
}


def output_path(folder: Path, target: str, output: str | None = None) -> Path:
    """Where the file goes: ``output``, or `exports/CHECKPOINT.onnx` and the like.

    Raises `InputError` for a target that is none, and for an output whose name does not end as the target's files do.
    """
    if target not in TARGETS:
        near = get_close_matches(target.lower(), TARGETS, n=1, cutoff=0.5)
        known = f"targets are {', '.join(TARGETS)}"
        raise InputError(f"--to {target}", "no such target", f"did you mean `{near[0]}`? {known}" if near else known)
    suffix = TARGETS[target][1]
    path = Path(output) if output else EXPORTS / f"{folder.resolve().name}{suffix}"
    if path.suffix != suffix:
        raise InputError(f"--output {output}", f"no name of a file for {target}", f"end it in {suffix}")
    return path


def export_model(
    detector: Detector, card: Card, target: str, path: Path, frames: list[RealFrame], limits: Detection
) -> Difference:
    """Write a checkpoint as ``target`` to ``path``, and FILE.json beside it; returns how far it is from PyTorch.

    ``limits`` are those that the check detects with; where a network holds its own suppression they go into the file.
    Raises `InputError`, and leaves both files as they were, where the file finds something else than the network does.
    """
    module = import_module(f"stages.deployment.{TARGETS[target][0]}")
    exportable = detector.exportable(limits.min_score, limits.nms_iou, limits.max_objects)
    exportable.module.eval()  # as a whole: the exporter puts a module back into the mode of its outermost one
    description = describe(detector, card, exportable, target, limits)
    first = input_of([frames[0].image], card.image_size, detector.stride, exportable).float() / 255
    images = example(exportable, card.image_size, detector.stride, first)
    with replacing(f"{path}.json") as beside, replacing(path) as partial:
        module.write(detector, card, exportable, images, description, partial)
        difference = check(module.open_file(partial, detector), detector, exportable, card.image_size, frames, limits)
        if not difference.small:
            what = f"it differs from PyTorch by {difference.box:.3g} px and {difference.score:.3g} of a score"
            raise InputError(str(path), f"not written, as {what}", "choose another target with --to")
        checked = {"file": path.name, "file_sha256": sha256_of(partial), "check": asdict(difference)}
        write_json(beside, description | checked)
    return difference
