"""Images a second of our training loop against two peers' on equal work: ``python -m benchmarks.throughput``.

- YOLO11n from scratch, against `yolo train`: AdamW, the same augmentation (flip, zoom, shift, colours), no mosaic.
- Faster R-CNN MobileNetV3-Large FPN from scratch, from the same first weights, against a plain loop in the manner of
  TorchVision's reference scripts (benchmarks/peers/torchvision_loop.py): SGD with Nesterov momentum, a flip, BatchNorm
  and all layers trained.

Both sides see the same 128 frames of 320 x 320 pixels as often, with equal batches and schedules, in fp32, on all
cores, without loader workers (Ultralytics takes none on a CPU). They train in turn, a pair for every seed. Images a
second are told twice: over the whole process as one starts it, and over training alone. Ours is then what
metrics/runs/STAGE.json calls training_seconds, with saving and a last validation on 8 frames, which Ultralytics has
too; the peers' is the time inside of their epochs. Quality is that of the last weights on 128 frames of other scenes,
by one evaluator: mAP, and the loss, which tells more after a few epochs.

On two idle cores this takes twelve minutes. The options `--yolo_epochs`, `--rcnn_epochs` and `--pairs` change that.
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
YOLO, YOLO_LR, YOLO_DECAY = "yolo11n", 2.0e-3, 5.0e-4
RCNN, RCNN_LR, RCNN_DECAY = "mobilenetv3-large-fpn", 0.01, 1.0e-4
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
    "warmup": 0.99,
    "schedule": "constant",
    "select": "last",
    "memory": {"batch": BATCH, "image_size": SIDE},
}
# A stage that is never trained: its mixture names the frames that scores are of.
HELD_OUT_STAGE = STAGE | {
    "mixture": {"sources": {"street": {"frames": BATCH}}, "validation_frames": HELD_OUT},
    "epochs": 1,
    "lr": 1.0,
}
YOLO_STAGE = STAGE | {
    "lr": YOLO_LR,
    "weight_decay": YOLO_DECAY,
    "clip_norm": 10 / BATCH,  # the peer clips at 10 a loss that it has multiplied by the batch size
    "augment": {"flip": 0.5, "scale": [0.7, 1.3], "translate": 0.1, "colour": 0.4},
}
YOLO_PEER = {
    "model": f"{YOLO}.yaml", "data": "yolo.yaml", "batch": BATCH, "nbs": BATCH, "imgsz": SIDE, "optimizer": "AdamW",
    "lr0": YOLO_LR, "lrf": 1.0, "momentum": 0.9, "weight_decay": YOLO_DECAY, "warmup_epochs": 1,
    "warmup_momentum": 0.9, "warmup_bias_lr": 0.0, "fliplr": 0.5, "scale": 0.3, "translate": 0.1, "hsv_h": 0.015,
    "hsv_s": 0.4, "hsv_v": 0.32, "mosaic": 0.0, "erasing": 0.0, "val": False, "plots": False, "amp": False,
    "pretrained": False, "device": "cpu", "workers": 0, "verbose": False,
}  # fmt: skip
RCNN_STAGE = STAGE | {
    "lr": RCNN_LR,
    "optimizer": "sgd",
    "weight_decay": RCNN_DECAY,
    "clip_norm": None,
    "ema": 0.0,
    "augment": {"flip": 0.5, "scale": [1.0, 1.0], "translate": 0.0, "colour": 0.0},
}
RCNN_PEER = {"batch": BATCH, "side": SIDE, "lr": RCNN_LR, "weight_decay": RCNN_DECAY, "classes": len(CLASSES)}


@dataclass(frozen=True)
class Run:
    """Seconds of a process, and of training alone; mAP, mAP50 and the loss on the frames held out."""

    process: float
    training: float
    quality: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Ours and the peer's, with one seed."""

    ours: Run
    theirs: Run


def main(*, yolo_epochs: str = "10", rcnn_epochs: str = "1", pairs: str = "2") -> None:
    """Train all pairs and print."""
    yolo, rcnn, seeds = int(yolo_epochs), int(rcnn_epochs), range(int(pairs))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        configure("yolo", YOLO, YOLO_STAGE, 1, 0)
        run_stages("check", "download street", "mixture stage1", "mixture held_out")
        export_yolo("stage1", CLASSES)
        compare(f"{YOLO} against yolo train", yolo, [yolo_pair(yolo, seed) for seed in seeds])
        compare(f"fasterrcnn {RCNN} against the reference loop", rcnn, [rcnn_pair(rcnn, seed) for seed in seeds])


def configure(family: str, model: str, stage: dict, epochs: int, seed: int) -> None:
    """Write params.yaml. Frames and mixtures are the same for all."""
    stage = stage | {"epochs": epochs, "validate_every": epochs}
    detector = {"detector": {"family": family, "model": model}}
    write_params(PARAMS | detector | {"seed": seed, "stage1": stage, "held_out": HELD_OUT_STAGE})


def yolo_pair(epochs: int, seed: int) -> Pair:
    """YOLO11n: ours and `yolo train`."""
    configure("yolo", YOLO, YOLO_STAGE, epochs, seed)

    def theirs() -> Run:
        process, training, path = train_peer(YOLO_PEER | {"epochs": epochs}, seed)
        return Run(process, training, judged(quality.of_ultralytics(path, YOLO)))

    return in_turn(theirs, seed)


def rcnn_pair(epochs: int, seed: int) -> Pair:
    """Faster R-CNN: ours and the plain loop."""
    configure("fasterrcnn", RCNN, RCNN_STAGE, epochs, seed)
    report, weights = Path("loop.json").resolve(), Path("loop.pt").resolve()
    places = {"weights": str(weights), "report": str(report), "start": "models/pretrained/model.safetensors"}

    def theirs() -> Run:
        report.write_text(json.dumps(RCNN_PEER | places | {"epochs": epochs, "seed": seed, "cores": cores()}))
        process = timed("-m", "benchmarks.peers.torchvision_loop", str(report))
        training = json.loads(report.read_text())["training_seconds"]
        return Run(process, training, judged(quality.of_torchvision(weights, RCNN, CLASSES)))

    return in_turn(theirs, seed)


def in_turn(theirs: Callable[[], Run], seed: int) -> Pair:
    """Train ours and theirs, the latter first where the seed is odd, and print both."""
    run_stages("download_weights")
    first = theirs() if seed % 2 else None
    pair = Pair(ours(), first or theirs())
    for name, run in (("skyward", pair.ours), ("peer", pair.theirs)):
        found = ", ".join(f"{key} {value:.3f}" for key, value in run.quality.items())
        print(
            f"seed {seed}  {name:<8} process {run.process:6.1f} s, training {run.training:6.1f} s   {found}", flush=True
        )
    return pair


def ours() -> Run:
    """Train ours."""
    process = timed("-m", "stages.finetune", "stage1")
    training = json.loads(Path("metrics/runs/stage1.json").read_text())["training_seconds"]
    return Run(process, training, judged(quality.ours("stage1")))


def judged(detector: Detector) -> dict[str, float]:
    """Scores and loss on the frames held out."""
    return quality.score(detector, "held_out", SIDE) | {"loss": quality.loss(detector, "held_out")}


def compare(title: str, epochs: int, pairs: list[Pair]) -> None:
    """Images a second of both over all pairs, and their ratio: of the pairs' ratios, the geometric mean."""
    print(f"{title}, {len(pairs)} pairs of {epochs} x {FRAMES} images")
    for what in ("process", "training"):
        times = [(getattr(pair.ours, what), getattr(pair.theirs, what)) for pair in pairs]
        speeds = [epochs * FRAMES / fmean(side) for side in zip(*times, strict=True)]
        ratio = math.exp(fmean(math.log(theirs / ours) for ours, theirs in times))
        figures = f"{speeds[0]:6.2f} images/s against {speeds[1]:6.2f}: {ratio:.2f} times as many (at least {FASTER})"
        print(f"  {what:<9}{figures}  {'ok' if ratio >= FASTER else 'MISSED'}")
    for name in pairs[0].ours.quality:
        mean = [fmean(getattr(pair, side).quality[name] for pair in pairs) for side in ("ours", "theirs")]
        print(f"  {name:<9}{mean[0]:6.3f} against {mean[1]:6.3f}: {mean[0] - mean[1]:+.3f}", flush=True)


if __name__ == "__main__":
    run_stage(main)
