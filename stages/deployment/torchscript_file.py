"""TorchScript: traced; what `description` says stands in the archive's extra file `description.json`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch

from stages.deployment.checking import Outputs, Run
from stages.deployment.tracing import quietly
from stages.detectors.base import Detector, Exportable
from stages.detectors.card import Card

EXTRA_FILE = "description.json"
_WRITTEN_ANYWAY = ("version", ".data/serialization_id", "byteorder")


def write(
    detector: Detector, card: Card, exportable: Exportable, images: torch.Tensor, description: dict, path: Path
) -> None:
    """Write the network as TorchScript."""
    with quietly():
        # PyTorch would trace twice more to compare: the check on real frames does that.
        module = torch.jit.trace(exportable.module, images, check_trace=False)
        content = io.BytesIO()  # by way of memory: the file's name would be in the archive
        torch.jit.save(module, content, _extra_files={EXTRA_FILE: json.dumps(description)})
    _without_places(content, path)


def _without_places(content: io.BytesIO, path: Path) -> None:
    """Leave out the debugging records, which tell the paths of this machine's Python files line by line."""
    content.seek(0)
    kept = io.BytesIO()
    reader, writer = torch._C.PyTorchFileReader(content), torch._C.PyTorchFileWriter(kept)
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in _WRITTEN_ANYWAY:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    path.write_bytes(kept.getvalue())


def open_file(path: Path, detector: Detector) -> Run:
    """Open a file, on the CPU."""
    with quietly():
        module = torch.jit.load(str(path), map_location="cpu")

    def run(images: torch.Tensor) -> Outputs:
        # Otherwise it spends the first runs on each shape, and here there are no others, on optimising itself.
        with quietly(), torch.jit.optimized_execution(False):
            return tuple(module(images))

    return run
