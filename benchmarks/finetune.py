"""Our training loop against `yolo train`, on equal work: ``python -m benchmarks.finetune``, ten minutes.

Both train the same network (yolov8-pico from scratch) on the same 320 frames of 256 x 256 pixels from 40 scenes, for
the same epochs, batch, optimizer, warm-up and augmentation, validate once at the end, and are scored by the same
evaluator on the same 160 frames of 16 other scenes. Ultralytics takes one core less than there are; it is given all.
Times are of whole processes. Scores differ by 0.02 to 0.03 from seed to seed in both, hence several seeds.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import yaml

from stages.errors import run_stage
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.sequences.index import open_sequence
from tests.pipeline import ROOT, environment

if TYPE_CHECKING:
    from stages.detectors import Detector

MODEL, SIDE, EPOCHS, BATCH, LR = "yolov8-pico", 256, 10, 8, 2.0e-3
SEEDS = range(6)
FINAL = 0.01  # what the cosine ends at, as a share of the first learning rate
AUGMENT = {"flip": 0.5, "scale": 0.3, "translate": 0.1, "colour": 0.4}

# The peer's cosine goes down from epoch to epoch, ours from step to step: ours begins higher by so much that the
# learning rates of all steps sum to the same.
PEER_MEAN = sum(FINAL + (1 - FINAL) * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2 for epoch in range(EPOCHS)) / EPOCHS
EQUAL_LR = round(LR * PEER_MEAN / ((1 + FINAL) / 2), 6)

PARAMS = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {
        "street": {
            "format": "world",
            "view": "street",
            "sequences": {"train": 40, "val": 16},
            "frames": 40,
            "width": SIDE,
            "height": SIDE,
            "classes": {"person": "person", "car": "car", "hidden": "distractor"},
        }
    },
    "detector": {"family": "yolo", "model": MODEL},
    "weights": {"path": "scratch"},
    "curriculum": {"stage1": {"after": "pretrained"}},
    "stage1": {
        "mixture": {"sources": {"street": {"frames": 320}}, "validation_frames": 160},
        "epochs": EPOCHS,
        "lr": EQUAL_LR,
        "warmup": 1,
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
    "optimizer": "AdamW", "lr0": LR, "lrf": FINAL, "cos_lr": True, "momentum": 0.9, "weight_decay": 5.0e-4,
    "warmup_epochs": 1, "warmup_momentum": 0.9, "warmup_bias_lr": 0.0, "fliplr": AUGMENT["flip"],
    "scale": AUGMENT["scale"], "translate": AUGMENT["translate"], "hsv_h": 0.015, "hsv_s": 0.4, "hsv_v": 0.32,
    "mosaic": 0.0, "erasing": 0.0, "val": False, "plots": False, "amp": False, "pretrained": False, "device": "cpu",
    "workers": 0, "verbose": False,
}  # fmt: skip


def main() -> None:
    """Train both with every seed, and print times, scores and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
        for stage in (["check"], ["download", "street"], ["download_weights"], ["mixture", "stage1"]):
            timed([sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]])
        export_yolo(Path())
        write_model(Path("pico.yaml"))
        runs = [run(seed) for seed in SEEDS]
        report(runs)


def run(seed: int) -> dict[str, tuple[float, float]]:
    """Train both with one seed; seconds and mAP50-95 of each."""
    params = yaml.safe_load(Path("params.yaml").read_text()) | {"seed": seed}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    timed([sys.executable, "-m", "stages.download_weights"])  # the frames stay: only the first weights change
    ours = timed([sys.executable, "-m", "stages.finetune", "stage1"])
    theirs = timed([sys.executable, "-c", peer_program(seed)])
    scores = {"skyward": (ours, score_ours()), "yolo train": (theirs, score_peer(seed))}
    for name, (seconds, score) in scores.items():
        print(f"seed {seed}  {name:<12}{seconds:7.1f} s   mAP50-95 {score:.3f}", flush=True)
    return scores


def timed(command: list[str]) -> float:
    """Seconds that a command took."""
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(Path("home").resolve()) | {"PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


def peer_program(seed: int) -> str:
    """The program that trains as the `yolo` command does, with all cores."""
    places = {"project": str(Path("peer").resolve()), "name": str(seed), "seed": seed}
    arguments = ", ".join(f"{key}={value!r}" for key, value in (PEER | places).items() if key != "model")
    threads = f"import ultralytics.utils.torch_utils as t; t.NUM_THREADS = {len(os.sched_getaffinity(0))}; "
    settings = "import os; os.environ['YOLO_OFFLINE'] = 'true'; "
    return f"{settings}from ultralytics import YOLO; {threads}YOLO({PEER['model']!r}).train({arguments})"


def write_model(path: Path) -> None:
    """Describe our small scale of the network in a YAML file, for the peer."""
    from stages.detectors import Architecture, build

    classes = tuple(PARAMS["classes"])
    description = build(Architecture("yolo", MODEL, classes, len(classes))).network.yaml
    path.write_text(yaml.safe_dump({key: value for key, value in description.items() if key != "scale"}))


def export_yolo(folder: Path) -> None:
    """Write the mixture's frames and targets in YOLO's format: images/SPLIT, labels/SPLIT and yolo.yaml."""
    reader = ClipReader(read_manifest(MIXTURES / "stage1"))
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for clip in read_clips(MIXTURES / "stage1", split):
            name = f"{clip.sequence}-{clip.frames[0]:06d}"
            sequence = open_sequence(clip.source, clip.sequence)
            (folder / "images" / split / f"{name}.jpg").write_bytes(sequence.encoded(clip.frames[0]))
            targets = reader.read(clip).targets[0]
            rows = [
                f"{label} {(x1 + x2) / 2 / SIDE:.6f} {(y1 + y2) / 2 / SIDE:.6f} "
                f"{(x2 - x1) / SIDE:.6f} {(y2 - y1) / SIDE:.6f}\n"
                for (x1, y1, x2, y2), label in zip(targets.boxes, targets.classes, strict=True)
            ]
            (folder / "labels" / split / f"{name}.txt").write_text("".join(rows))
    names = dict(enumerate(PARAMS["classes"]))
    data = {"path": str(folder.resolve()), "train": "images/train", "val": "images/val", "names": names}
    (folder / "yolo.yaml").write_text(yaml.safe_dump(data))


def score_ours() -> float:
    """mAP50-95 of the checkpoint that our loop wrote."""
    from stages.detectors.checkpoint import MODELS, load_detector

    return validate(load_detector(MODELS / "stage1")[0])


def score_peer(seed: int) -> float:
    """mAP50-95 of the weights that the peer wrote last."""
    from stages.detectors import build
    from stages.detectors.checkpoint import fill
    from stages.detectors.pretrained import read_pretrained

    path = Path("peer", str(seed), "weights", "last.pt")
    tensors, card = read_pretrained(path, MODEL)
    detector = build(card.architecture).eval()
    fill(detector, tensors, str(path))
    return validate(detector)


def validate(detector: Detector) -> float:
    """mAP50-95 on the validation frames, by one evaluator for both."""
    from stages.training.validation import Validator

    folder = MIXTURES / "stage1"
    reader = ClipReader(read_manifest(folder))
    return Validator(reader, read_clips(folder, "val"), PARAMS["classes"], SIDE, BATCH)(detector)["mAP"]


def report(runs: list[dict[str, tuple[float, float]]]) -> None:
    """Means over the seeds, their spread, and what the issue is about: ratio of times, difference of scores."""
    means = {}
    for name in runs[0]:
        seconds, scores = zip(*(run[name] for run in runs), strict=True)
        means[name] = fmean(seconds), fmean(scores)
        print(f"{name:<12} {fmean(seconds):6.1f} s   mAP50-95 {fmean(scores):.3f} +- {stdev(scores):.3f}")
    (ours, our_score), (theirs, their_score) = means.values()
    print(f"ratio of times {ours / theirs:.2f}   difference of mAP50-95 {our_score - their_score:+.3f}")


if __name__ == "__main__":
    run_stage(main)
