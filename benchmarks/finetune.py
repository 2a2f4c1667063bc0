"""Quality and time of our training loop against `yolo train`, on equal work: ``python -m benchmarks.finetune``.

Both train the same network (yolov8-pico from scratch) on the same 320 frames of 256 x 256 pixels from 40 scenes, for
the same epochs, batch, optimizer, warm-up and augmentation, validate once at the end, and are scored by the same
evaluator on the same 160 frames of 16 other scenes. Ultralytics takes one core less than there are; it is given all.
Times are of whole processes. Scores differ by 0.02 to 0.03 from seed to seed in both, hence several seeds. Ten minutes.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from statistics import fmean, stdev

from benchmarks import quality
from benchmarks.project import cores, export_yolo, run_stages, timed, world, write_params
from stages.errors import run_stage

MODEL, SIDE, EPOCHS, BATCH, LR = "yolov8-pico", 256, 10, 8, 2.0e-3
SEEDS = range(6)
FINAL = 0.01  # what the cosine ends at, as a share of the first learning rate
DECAY = 5.0e-4
AUGMENT = {"flip": 0.5, "scale": [0.7, 1.3], "translate": 0.1, "colour": 0.4}

# The peer's cosine goes down from epoch to epoch, ours from step to step: ours begins higher by so much that the
# learning rates of all steps sum to the same.
PEER_MEAN = sum(FINAL + (1 - FINAL) * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 for epoch in range(EPOCHS)) / EPOCHS
EQUAL_LR = round(LR * PEER_MEAN / ((1 + FINAL) / 2), 6)

PARAMS = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {"street": world(SIDE, train=40, val=16, frames=40)},
    "detector": {"family": "yolo", "model": MODEL},
    "weights": {"path": "scratch"},
    "curriculum": {"stage1": {"after": "pretrained"}},
    "stage1": {
        "mixture": {"sources": {"street": {"frames": 320}}, "validation_frames": 160},
        "epochs": EPOCHS,
        "lr": EQUAL_LR,
        "warmup": 1,
        "weight_decay": DECAY,
        "clip_norm": 10 / BATCH,  # the peer clips at 10 a loss that it has multiplied by the batch size
        "validate_every": EPOCHS,
        "select": "last",
        "augment": AUGMENT,
        "memory": {"batch": BATCH, "image_size": SIDE},
    },
    "evaluation": {"checkpoints": ["stage1"], "detection": {}},
    "trackers": {"bytetrack": {"type": "bytetrack"}},
}

# `yolo train` with validation, plots and everything that ours has no counterpart of switched off.
PEER = {
    "model": "pico.yaml", "data": "yolo.yaml", "epochs": EPOCHS, "batch": BATCH, "nbs": BATCH, "imgsz": SIDE,
    "optimizer": "AdamW", "lr0": LR, "lrf": FINAL, "cos_lr": True, "momentum": 0.9, "weight_decay": DECAY,
    "warmup_epochs": 1, "warmup_momentum": 0.9, "warmup_bias_lr": 0.0, "fliplr": AUGMENT["flip"],
    "scale": 0.3, "translate": AUGMENT["translate"], "hsv_h": 0.015, "hsv_s": 0.4, "hsv_v": 0.32,
    "mosaic": 0.0, "erasing": 0.0, "val": False, "plots": False, "amp": False, "pretrained": False, "device": "cpu",
    "workers": 0, "verbose": False,
}  # fmt: skip


def main() -> None:
    """Train both with every seed, and print times, scores and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_params(PARAMS)
        run_stages("check", "download street", "download_weights", "mixture stage1")
        export_yolo("stage1", PARAMS["classes"])
        write_model(Path("pico.yaml"))
        runs = [run(seed) for seed in SEEDS]
        report(runs)


def run(seed: int) -> dict[str, tuple[float, float]]:
    """Train both with one seed; seconds and mAP50-95 of each."""
    write_params(PARAMS | {"seed": seed})
    run_stages("download_weights")  # the frames stay: only the first weights change
    ours = timed("-m", "stages.finetune", "stage1")
    theirs, _, path = train_peer(PEER, seed)
    found = {"skyward": (ours, quality.ours("stage1")), "yolo train": (theirs, quality.of_ultralytics(path, MODEL))}
    scores = {
        name: (seconds, quality.score(detector, "stage1", SIDE)["mAP"]) for name, (seconds, detector) in found.items()
    }
    for name, (seconds, score) in scores.items():
        print(f"seed {seed}  {name:<12}{seconds:7.1f} s   mAP50-95 {score:.3f}", flush=True)
    return scores


def train_peer(arguments: dict, seed: int) -> tuple[float, float, Path]:
    """Train as the `yolo` command does, with all cores: seconds of the process, of its epochs, and its last weights."""
    folder, report = Path("peer").resolve(), Path("peer.json").resolve()
    places = {"project": str(folder), "name": str(seed), "seed": seed, "exist_ok": True}
    report.write_text(json.dumps(arguments | places | {"cores": cores(), "report": str(report)}))
    seconds = timed("-m", "benchmarks.peers.ultralytics_train", str(report))
    return seconds, json.loads(report.read_text())["training_seconds"], folder / str(seed) / "weights" / "last.pt"


def write_model(path: Path) -> None:
    """Describe our small scale of the network in a YAML file, for the peer."""
    import yaml

    from stages.detectors import Architecture, build

    classes = tuple(PARAMS["classes"])
    description = build(Architecture("yolo", MODEL, classes, len(classes))).network.yaml
    path.write_text(yaml.safe_dump({key: value for key, value in description.items() if key != "scale"}))


def report(runs: list[dict[str, tuple[float, float]]]) -> None:
    """Means over the seeds, their spread, and what the issue is about: ratio of times, difference of scores."""
    means = {}
    for name in runs[0]:
        seconds, scores = zip(*(run[name] for run in runs), strict=True)
        means[name] = fmean(seconds), fmean(scores)
        spread = f" +- {stdev(scores):.3f}" if len(scores) > 1 else ""
        print(f"{name:<12} {fmean(seconds):6.1f} s   mAP50-95 {fmean(scores):.3f}{spread}")
    (ours, our_score), (theirs, their_score) = means.values()
    print(f"ratio of times {ours / theirs:.2f}   difference of mAP50-95 {our_score - their_score:+.3f}")


if __name__ == "__main__":
    run_stage(main)
