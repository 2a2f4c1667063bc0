"""What an exported file takes and gives, for those who run it: in FILE.json, and in the file where it can hold it."""

from __future__ import annotations

from stages.detectors.base import Detector, Exportable
from stages.detectors.card import Card
from stages.detectors.frames import GREY
from stages.params.model import Detection

INPUT = "images"
OPSET = 17  # of ONNX: RoIAlign as TorchVision has it needs 16; runtimes of 2022 and later read it
OUTPUTS = {"anchors": ("boxes", "scores"), "queries": ("boxes", "scores"), "detections": ("boxes", "scores", "classes")}


def fixed_side(image_size: int, stride: int) -> int:
    """Height and width in pixels of a graph that allows no other: the checkpoint's image size, up to the stride."""
    return -(-image_size // stride) * stride


def describe(detector: Detector, card: Card, exportable: Exportable, target: str, limits: Detection) -> dict:
    """All of it as JSON values; shapes name what may vary, and give what may not as a number.

    What Ultralytics opens has its own input and output: of that only the checkpoint, classes and sizes are said.
    """
    described = {
        "format": target,
        "family": card.architecture.family,
        "model": card.architecture.model,
        "checkpoint_sha256": card.sha256,
        "classes": list(card.architecture.classes),
    }
    if target == "ultralytics":
        return described | {"image_size": card.image_size, "stride": detector.stride}
    return described | {
        "opset": OPSET if target == "onnx" else None,
        "input": _input(card.image_size, detector.stride, exportable),
        "outputs": _outputs(exportable, len(card.architecture.classes)),
        "suppression": _suppression(exportable, limits),
    }


def input_shape(exportable: Exportable, image_size: int, stride: int) -> list[int | str]:
    """The shape of the input: numbers, and the names of what may vary."""
    side = fixed_side(image_size, stride)
    batch, height, width = (
        name if name in exportable.varies else fixed
        for name, fixed in (("batch", 1), ("height", side), ("width", side))
    )
    return [batch, 3, height, width]


def _input(image_size: int, stride: int, exportable: Exportable) -> dict:
    fixed = "height" not in exportable.varies
    multiple = (
        f"{fixed_side(image_size, stride)} x {fixed_side(image_size, stride)}" if fixed else "multiples of stride"
    )
    return {
        "name": INPUT,
        "dtype": "float32",
        "shape": input_shape(exportable, image_size, stride),
        "layout": "NCHW",
        "colours": "RGB",
        "range": [0, 1],
        "scale": "byte values / 255; nothing is subtracted, what else a network wants is in the file",
        "image_size": image_size,
        "stride": stride,
        "resize": "the longer side to image_size, proportions kept; averaged when shrinking, bilinear when enlarging",
        "padding": {"value": GREY, "where": "right and below", "to": multiple},
    }


def _outputs(exportable: Exportable, classes: int) -> list[dict]:
    batch = "batch" if "batch" in exportable.varies else 1
    box = "x1 y1 x2 y2 in pixels of the input; divide by the factor of the resize for those of the frame"
    if exportable.yields == "detections":
        shapes = {"boxes": ["n", 4], "scores": ["n"], "classes": ["n"]}
        meanings = {"boxes": box, "scores": "0 to 1, best first", "classes": "place in `classes`"}
    else:
        shapes = {"boxes": [batch, "n", 4], "scores": [batch, "n", classes]}
        meanings = {"boxes": box, "scores": "0 to 1, of every class, each by itself"}
    return [
        {
            "name": name,
            "dtype": "int64" if name == "classes" else "float32",
            "shape": shapes[name],
            "meaning": meanings[name],
        }
        for name in OUTPUTS[exportable.yields]
    ]


def _suppression(exportable: Exportable, limits: Detection) -> dict:
    """What makes detections of what comes out: in the file already, or as this pipeline does it."""
    names = ("min_score", "nms_iou", "max_objects")
    return {"in_file": exportable.yields == "detections"} | {name: getattr(limits, name) for name in names}
