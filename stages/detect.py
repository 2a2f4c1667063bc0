"""The stage `detect@CHECKPOINT`: what a checkpoint finds in the test sequences of every source.

Reads models/CHECKPOINT/ and data/sources/; writes data/detections/CHECKPOINT/SOURCE/NAME.parquet.
Run as `python -m stages.detect CHECKPOINT`.
"""

from __future__ import annotations

import os

import torch

from stages.detectors.card import MODELS
from stages.detectors.checkpoint import load_detector
from stages.detectors.recording import ClassMap, detect_sequence
from stages.errors import run_stage
from stages.files import replacing
from stages.params import load_params
from stages.sequences.detections import DETECTIONS, write_detections
from stages.sequences.index import open_sequence, require_whole_split, test_sequences, test_sources


def main(checkpoint: str) -> None:
    """Run one checkpoint over all test sequences."""
    params = load_params()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    detector, card = load_detector(MODELS / checkpoint, device)
    class_map = ClassMap(card.architecture.classes, params.classes, f"models/{checkpoint}")
    for source in test_sources(params):
        require_whole_split(source, "test")
    with replacing(DETECTIONS / checkpoint) as partial:
        for source, name in test_sequences(params):
            sequence = open_sequence(source, name)
            table = detect_sequence(detector, sequence, params.evaluation.detection, card.image_size, class_map)
            write_detections(partial / source / f"{name}.parquet", table)


if __name__ == "__main__":
    run_stage(main)
