"""Writes a checkpoint as a file for other programs: ONNX, TorchScript, or a `.pt` for Ultralytics.

Reads models/CHECKPOINT/ and, to check the file on, test sequences of data/sources/ or the frames that --frames names (a
folder of images or a sequence archive). Writes exports/CHECKPOINT.onnx (.torchscript, .pt), or the FILE that --output
names, and FILE.json, which says what goes in and what comes out; nothing where the file finds not what PyTorch finds.
Run as `python -m stages.export_model models/CHECKPOINT --to onnx|torchscript|ultralytics`.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from stages.deployment import export_model, output_path
from stages.deployment.checking import summary
from stages.deployment.real_frames import frames_in, frames_of_sources
from stages.detectors.checkpoint import load_detector
from stages.errors import run_stage
from stages.params import load_params
from stages.params.model import Detection


def main(folder: str, *, to: str, output: str | None = None, frames: str | None = None) -> None:
    """Export one checkpoint."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    path = output_path(Path(folder), to, output)
    detector, card = load_detector(Path(folder))
    params = load_params() if frames is None or Path("params.yaml").exists() else None
    limits = params.evaluation.detection if params else Detection()
    shown = frames_in(Path(frames)) if frames else frames_of_sources(params)
    print(f"{path}: {summary(export_model(detector, card, to, path, shown, limits))}")


if __name__ == "__main__":
    run_stage(main)
