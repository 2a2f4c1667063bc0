"""Our training loop against `yolo train`, on equal work: ``python -m benchmarks.finetune``.

Both train the same network (yolov8-pico from scratch) on the same 320 frames of 256 x 256 pixels for the same epochs,
batch, optimizer, learning rates, augmentation and moving average, validate once at the end, and are scored by the
same evaluator on the same held-out frames. Ultralytics takes one core less than there are; it is run as it is, and
again with all cores. Times are of whole processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from stages.errors import run_stage
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from tests.pipeline import ROOT, environment

MODEL, SIDE, EPOCHS, BATCH, LR = "yolov8-pico", 256, 10, 8, 2.0e-3
AUGMENT = {"flip": 0.5, "scale": 0.3, "translate": 0.1, "colour": 0.4}

PARAMS = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {
        "street": {
            "format": "world",
            "view": "street",
            "sequences": {"train": 4, "val": 2},
            "frames": 80,
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
        "lr": LR,
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
    "optimizer": "AdamW", "lr0": LR, "lrf": 0.01, "cos_lr": True, "momentum": 0.9, "weight_decay": 5.0e-4,
    "warmup_epochs": 1, "warmup_momentum": 0.9, "warmup_bias_lr": 0.0, "fliplr": AUGMENT["flip"],
    "scale": AUGMENT["scale"], "translate": AUGMENT["translate"], "hsv_h": 0.015, "hsv_s": 0.4, "hsv_v": 0.32,
    "mosaic": 0.0, "erasing": 0.0, "val": False, "plots": False, "amp": False, "pretrained": False, "device": "cpu",
    "workers": 0, "seed": 0, "verbose": False,
}  # fmt: skip

PEERS = {"yolo_train": None, "yolo_train_all_cores": len(os.sched_getaffinity(0))}  # threads; None: its own choice


def main() -> None:
    """Train all three, and print times, scores and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
        for stage in (["check"], ["download", "street"], ["download_weights"], ["mixture", "stage1"]):
            timed([sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]])
        export_yolo(Path())
        write_model(Path("pico.yaml"))
        seconds = {"skyward": timed([sys.executable, "-m", "stages.finetune", "stage1"])}
        for name, threads in PEERS.items():
            seconds[name] = timed([sys.executable, "-c", peer_program(name, threads)])
        report(seconds)


def timed(command: list[str]) -> float:
    """Seconds that a command took."""
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(Path("home").resolve()) | {"PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


def peer_program(name: str, threads: int | None) -> str:
    """The program that trains as the `yolo` command does, with its choice of threads or ours."""
    more = f"import ultralytics.utils.torch_utils as t; t.NUM_THREADS = {threads}; " if threads else ""
    arguments = ", ".join(
        f"{key}={value!r}"
        for key, value in (PEER | {"project": str(Path("peer").resolve()), "name": name}).items()
        if key != "model"
    )
    settings = "import os; os.environ['YOLO_OFFLINE'] = 'true'; "
    return f"{settings}from ultralytics import YOLO; {more}YOLO({PEER['model']!r}).train({arguments})"


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
            sequence = reader.open(clip.source, clip.sequence)
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


def report(seconds: dict[str, float]) -> None:
    """Score every result by the same evaluator and print."""
    from stages.detectors import build
    from stages.detectors.checkpoint import MODELS, fill, load_detector
    from stages.detectors.pretrained import read_pretrained
    from stages.training.validation import Validator

    clips = read_clips(MIXTURES / "stage1", "val")
    validate = Validator(ClipReader(read_manifest(MIXTURES / "stage1")), clips, PARAMS["classes"], SIDE, BATCH)
    ours = seconds["skyward"]
    for name, taken in seconds.items():
        if name == "skyward":
            detector, _ = load_detector(MODELS / "stage1")
        else:
            path = Path("peer", name, "weights", "last.pt")
            tensors, card = read_pretrained(path, MODEL)
            detector = build(card.architecture).eval()
            fill(detector, tensors, str(path))
        print(f"{name:<24}{taken:7.1f} s   ratio {ours / taken:.2f}   mAP50-95 {validate(detector)['mAP']:.3f}")


if __name__ == "__main__":
    run_stage(main)
