"""How good what our loop and its peers trained is: one evaluator, the same held-out frames, for all."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.detectors import Architecture, Detector, build
from stages.detectors.card import MODELS
from stages.detectors.checkpoint import fill, load_detector
from stages.detectors.pretrained import read_pretrained
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.training.loader import collate
from stages.training.samples import Sample
from stages.training.validation import Validator

BATCH = 8


def score(detector: Detector, mixture: str, side: int) -> dict[str, float]:
    """mAP and mAP50 of a detector on a mixture's validation frames."""
    reader = ClipReader(read_manifest(MIXTURES / mixture))
    clips = read_clips(MIXTURES / mixture, "val")
    return Validator(reader, clips, detector.architecture.classes, side, BATCH)(detector)


@torch.no_grad()
def loss(detector: Detector, mixture: str) -> float:
    """Mean loss on a mixture's validation frames, which are of the network's size already.

    BatchNorm normalises by batches, as in training: after a short run its running statistics lag behind. They follow,
    so this comes last.
    """
    reader = ClipReader(read_manifest(MIXTURES / mixture))
    data = [reader.read(clip) for clip in read_clips(MIXTURES / mixture, "val")]
    detector.train()
    total = 0.0
    for start in range(0, len(data), BATCH):
        samples = [Sample(clip.frames, clip.targets, ()) for clip in data[start : start + BATCH]]
        batch = collate(samples, detector.stride)
        torch.manual_seed(start)
        total += float(sum(detector(batch).values())) * len(batch)
    return total / len(data)


def ours(stage: str) -> Detector:
    """The checkpoint that our loop wrote."""
    return load_detector(MODELS / stage)[0]


def of_ultralytics(path: Path, model: str) -> Detector:
    """The weights that Ultralytics' trainer wrote."""
    tensors, card = read_pretrained(path, "yolo", model)
    detector = build(card.architecture).eval()
    fill(detector, tensors, str(path))
    return detector


def of_torchvision(path: Path, model: str, classes: tuple[str, ...]) -> Detector:
    """The state of one of TorchVision's networks."""
    detector = build(Architecture("fasterrcnn", model, classes, len(classes))).eval()
    fill(detector, torch.load(path, weights_only=True), str(path))
    return detector
