"""Images a second of our training loop against two peers' on equal work: ``python -m benchmarks.throughput``.

- YOLO11n from scratch, against `yolo train`: AdamW, the same augmentation (flip, zoom, shift, colours), no mosaic.
- Faster R-CNN MobileNetV3-Large FPN from scratch, from the same first weights, against a plain loop in the manner of
  TorchVision's reference scripts (benchmarks/peers/torchvision_loop.py): SGD with Nesterov momentum, a flip, BatchNorm
  and all layers trained.

Both sides see the same frames of 320 x 320 pixels as often, with equal batches, in fp32, on all cores, without loader
workers (Ultralytics takes none on a CPU). They train in turn, a pair for every seed. Images a second are told twice:
over the whole process as one starts it, and over training alone. Ours is then what metrics/runs/STAGE.json calls
training_seconds, with saving and a last validation on 8 frames, which Ultralytics has too; the peers' is the time inside
of their epochs. mAP50 and mAP50-95 are of the last weights on 128 frames of other scenes, by one evaluator.
On two idle cores this takes twelve minutes.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks import quality
from benchmarks.finetune import train_peer
from benchmarks.project import cores, export_yolo, run_stages, timed, world, write_params
from stages.detectors import Detector
from stages.errors import run_stage

SIDE, FRAMES, HELD_OUT, BATCH = 320, 128, 128, 8
CLASSES = ("person", "car")
YOLO, YOLO_EPOCHS, YOLO_PAIRS, YOLO_LR = "yolo11n", 6, 2, 2.0e-3
RCNN, RCNN_EPOCHS, RCNN_PAIRS, RCNN_LR = "mobilenetv3-large-fpn", 2, 2, 0.01
DECAY = 5.0e-4
FASTER = 1.1  # the ratio to reach

PARAMS = {
    "seed": 0,
    "classes": list(CLASSES),
    "sources": {"street": world(SIDE, train=16, val=8, frames=40)},
    "weights": {"path": "scratch"},
    "curriculum": {"stage1": {"after": "pretrained"}, "held_out": {"after": "pretrained"}},
    "evaluation": {"checkpoints": ["stage1"], "detection": {}},
    "trackers": {"bytetrack": {"type": "bytetrack"}},
}
STAGE = {
    "mixture": {"sources": {"street": {"frames": FRAMES}}, "validation_frames": 8},
    "warmup": 1,
    "select": "last",
    "memory": {"batch": BATCH, "image_size": SIDE},
}
# A stage that is never trained: its mixture names the frames for the scores.
HELD_OUT_STAGE = STAGE | {
    "mixture": {"sources": {"street": {"frames": BATCH}}, "validation_frames": HELD_OUT},
    "epochs": 2,
    "lr": 1.0,
}
YOLO_STAGE = STAGE | {
    "epochs": YOLO_EPOCHS,
    "validate_every": YOLO_EPOCHS,
    "lr": YOLO_LR,
    "schedule": "constant",
    "weight_decay": DECAY,
    "clip_norm": 10 / BATCH,  # the peer clips at 10 a loss that it has multiplied by the batch size
    "augment": {"flip": 0.5, "scale": [0.7, 1.3], "translate": 0.1, "colour": 0.4},
}
YOLO_PEER = {
    "model": f"{YOLO}.yaml", "data": "yolo.yaml", "epochs": YOLO_EPOCHS, "batch": BATCH, "nbs": BATCH, "imgsz": SIDE,
    "optimizer": "AdamW", "lr0": YOLO_LR, "lrf": 1.0, "momentum": 0.9, "weight_decay": DECAY, "warmup_epochs": 1,
    "warmup_momentum": 0.9, "warmup_bias_lr": 0.0, "fliplr": 0.5, "scale": 0.3, "translate": 0.1, "hsv_h": 0.015,
    "hsv_s": 0.4, "hsv_v": 0.32, "mosaic": 0.0, "erasing": 0.0, "val": False, "plots": False, "amp": False,
    "pretrained": False, "device": "cpu", "workers": 0, "verbose": False,
}  # fmt: skip
RCNN_STAGE = STAGE | {
    "epochs": RCNN_EPOCHS,
    "validate_every": RCNN_EPOCHS,
    "lr": RCNN_LR,
    "schedule": "constant",
    "optimizer": "sgd",
    "weight_decay": 1.0e-4,
    "clip_norm": None,
    "ema": 0.0,
    "augment": {"flip": 0.5, "scale": [1.0, 1.0], "translate": 0.0, "colour": 0.0},
}


@dataclass(frozen=True)
class Run:
    """Seconds of a process, and of training alone; mAP50-95 and mAP50."""

    process: float
    training: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Ours and the peer's, with one seed."""

    ours: Run
    theirs: Run


def main() -> None:
    """Train all pairs and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        configure("yolo", YOLO, YOLO_STAGE, 0)
        run_stages("check", "download street", "mixture stage1", "mixture held_out")
        export_yolo("stage1", CLASSES)
        compare(f"{YOLO}: yolo train", YOLO_EPOCHS, [yolo_pair(seed) for seed in range(YOLO_PAIRS)])
        compare(f"{RCNN}: reference loop", RCNN_EPOCHS, [rcnn_pair(seed) for seed in range(RCNN_PAIRS)])


def configure(family: str, model: str, stage: dict, seed: int) -> None:
    """Write params.yaml. The frames and the mixtures are the same for all."""
    detector = {"detector": {"family": family, "model": model}}
    write_params(PARAMS | detector | {"seed": seed, "stage1": stage, "held_out": HELD_OUT_STAGE})


def yolo_pair(seed: int) -> Pair:
    """YOLO11n: ours and `yolo train`, the first to train in turn."""
    configure("yolo", YOLO, YOLO_STAGE, seed)
    run_stages("download_weights")

    def theirs() -> Run:
        process, training, path = train_peer(YOLO_PEER, seed)
        return Run(process, training, scored(quality.of_ultralytics(path, YOLO)))

    return in_turn(theirs, seed)


def rcnn_pair(seed: int) -> Pair:
    """Faster R-CNN: ours and the plain loop, the first to train in turn."""
    configure("fasterrcnn", RCNN, RCNN_STAGE, seed)
    run_stages("download_weights")

    def theirs() -> Run:
        report, weights = Path("loop.json").resolve(), Path("loop.pt").resolve()
        given = {"epochs": RCNN_EPOCHS, "batch": BATCH, "side": SIDE, "lr": RCNN_LR, "seed": seed}
        given |= {"classes": len(CLASSES), "cores": cores(), "weights": str(weights), "report": str(report)}
        report.write_text(json.dumps(given | {"start": "models/pretrained/model.safetensors"}))
        process = timed("-m", "benchmarks.peers.torchvision_loop", str(report))
        training = json.loads(report.read_text())["training_seconds"]
        return Run(process, training, scored(quality.of_torchvision(weights, RCNN, CLASSES)))

    return in_turn(theirs, seed)


def in_turn(theirs: Callable[[], Run], seed: int) -> Pair:
    """Train ours and theirs; with an odd seed theirs first."""
    if seed % 2:
        peer = theirs()
        return shown(Pair(ours(), peer), seed)
    run = ours()
    return shown(Pair(run, theirs()), seed)


def ours() -> Run:
    """Train ours."""
    process = timed("-m", "stages.finetune", "stage1")
    training = json.loads(Path("metrics/runs/stage1.json").read_text())["training_seconds"]
    return Run(process, training, scored(quality.ours("stage1")))


def scored(detector: Detector) -> dict[str, float]:
    """mAP and mAP50 on the frames held out."""
    return quality.score(detector, "held_out", SIDE)


def shown(pair: Pair, seed: int) -> Pair:
    """The pair, printed."""
    for name, run in (("skyward", pair.ours), ("peer", pair.theirs)):
        times = f"process {run.process:6.1f} s, training {run.training:6.1f} s"
        print(f"seed {seed}  {name:<8} {times}   mAP50-95 {run.scores['mAP']:.3f}, mAP50 {run.scores['mAP50']:.3f}")
    return pair


def compare(title: str, epochs: int, pairs: list[Pair]) -> None:
    """Images a second of both over all pairs, and their ratio: of the pairs' ratios, the geometric mean."""
    print(f"{title}, {len(pairs)} pairs of {epochs} x {FRAMES} images", flush=True)
    for what in ("process", "training"):
        times = [(getattr(pair.ours, what), getattr(pair.theirs, what)) for pair in pairs]
        speeds = [epochs * FRAMES / fmean(side) for side in zip(*times, strict=True)]
        ratio = math.exp(fmean(math.log(theirs / ours) for ours, theirs in times))
        verdict = "ok" if ratio >= FASTER else "MISSED"
        figures = f"{speeds[0]:6.2f} images/s against {speeds[1]:6.2f}"
        print(f"  {what:<9}{figures}: {ratio:.2f} times as many (at least {FASTER})  {verdict}")
    for name in ("mAP", "mAP50"):
        mean = [fmean(getattr(pair, side).scores[name] for pair in pairs) for side in ("ours", "theirs")]
        print(f"  {name:<9}{mean[0]:6.3f} against {mean[1]:6.3f}: {mean[0] - mean[1]:+.3f}", flush=True)


if __name__ == "__main__":
    run_stage(main)
