"""ONNX: written by PyTorch's TorchScript-based exporter, read by ONNX Runtime.

That exporter, and not the newer one, because TorchVision's detectors go through it alone, and in a tenth of the time.
What `description` says of the input and the outputs stands in the file's `metadata_props`, a JSON value for each key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stages.deployment.checking import Outputs, Run
from stages.deployment.description import INPUT, OPSET, OUTPUTS
from stages.deployment.tracing import quietly
from stages.detectors.base import Detector, Exportable
from stages.detectors.card import Card
from stages.errors import InputError

if TYPE_CHECKING:
    import onnx


def write(
    detector: Detector, card: Card, exportable: Exportable, images: torch.Tensor, description: dict, path: Path
) -> None:
    """Write the network as ONNX."""
    import onnx

    with quietly():
        try:
            _export(exportable, images, path)
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            what = f"PyTorch cannot write it as ONNX ({reason})"
            raise InputError(card.architecture.model, what, "choose another target with --to") from None
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in description.items()})
    _name_dimensions(model.graph, [description["input"], *description["outputs"]])
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _export(exportable: Exportable, images: torch.Tensor, path: Path) -> None:
    torch.onnx.export(
        exportable.module,
        (images,),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=list(OUTPUTS[exportable.yields]),
        dynamic_axes=_varying(exportable),
    )


def _varying(exportable: Exportable) -> dict[str, dict[int, str]]:
    """The dimensions of inputs and outputs that vary, by number, and their names."""
    axes = {"batch": 0, "height": 2, "width": 3}
    batch = {0: "batch"} if "batch" in exportable.varies else {}
    rows = {0: "n"} if exportable.yields == "detections" else batch | {1: "n"}
    given = {axes[name]: name for name in exportable.varies}
    return {INPUT: given} | dict.fromkeys(OUTPUTS[exportable.yields], rows)


def _name_dimensions(graph: onnx.GraphProto, described: list[dict]) -> None:
    """Put the shapes that the description gives in the place of names that the exporter makes up."""
    for value, item in zip([*graph.input, *graph.output], described, strict=True):
        for dimension, size in zip(value.type.tensor_type.shape.dim, item["shape"], strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size


def open_file(path: Path, detector: Detector) -> Run:
    """Open a file in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(images: torch.Tensor) -> Outputs:
        return tuple(torch.from_numpy(output) for output in session.run(None, {INPUT: images.numpy()}))

    return run
