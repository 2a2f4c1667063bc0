from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from stages.errors import InputError
from stages.params import load_params

STAGE = {
    "mixture": {"sources": {"street": {"frames": 20}}},
    "epochs": 4,
    "lr": 0.001,
    "memory": {"batch": 4, "image_size": 64},
}
VALID = {
    "seed": 0,
    "classes": ["person", "car"],
    "sources": {
        "street": {
            "format": "world",
            "view": "street",
            "sequences": {"train": 2, "val": 1, "test": 1},
            "frames": 50,
            "classes": {"person": "person", "car": "car", "hidden": "drop"},
        },
        "mot": {
            "format": "motchallenge",
            "path": "somewhere",
            "classes": {"pedestrian": "person", "car": "car"},
            "splits": {"train": 0.5, "val": 0.25, "test": 0.25},
        },
        "long": {
            "format": "motchallenge",
            "path": "elsewhere",
            "classes": {"pedestrian": "person"},
            "ranges": {
                "a": {"one": {"frames": [1, 10], "split": "train"}, "two": {"frames": [21, 30], "split": "test"}}
            },
            "gap": 10,
        },
    },
    "detector": {"family": "yolo", "model": "yolo11-pico"},
    "weights": {"path": "scratch"},
    "curriculum": {"stage1": {"after": "pretrained"}, "stage2": {"after": "stage1"}},
    "stage1": STAGE,
    "stage2": STAGE,
    "evaluation": {"checkpoints": ["stage1"], "detection": {}},
    "trackers": {"byte": {"type": "bytetrack"}},
}
ABSENT = object()


def _load(folder: Path, **changes: object):
    """Params with values at dotted keys (`/` for a dot) replaced."""
    value = json.loads(json.dumps(VALID))  # no block is shared
    for place, new in changes.items():
        *parents, key = place.split("/")
        block = value
        for parent in parents:
            block = block[parent]
        if new is ABSENT:
            del block[key]
        else:
            block[key] = new
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    return load_params(path)


def _ranges(**pieces: tuple) -> dict:
    return {"a": {name: {"frames": list(frames), "split": split} for name, (frames, split) in pieces.items()}}


ROWS = [
    ({"classes": ["person", "car", "person"]}, "classes.2: class `person` stands twice"),
    ({"classes": ["person", "car", "region"]}, "classes.2: `region` is a role, not a class"),
    ({"classes": ["person", "car", "bus"]}, "classes.2: no source maps a class onto `bus`"),
    ({"sources/mot/classes/car": "bus"}, "sources.mot.classes.car: mapped to `bus`, which is nothing: map it onto"),
    ({"sources/mot/classes/horse": "car"}, "sources.mot.classes.horse: the source has no class `horse`"),
    ({"sources/mot/labels": {1: "pedestrian"}}, "sources.mot.classes.car: the source has no class `car`"),
    ({"sources/street/classes/hidden": ABSENT}, "sources.street.classes: class `hidden` is mapped to nothing: add it"),
    ({"sources/street/sequences": {}}, "sources.street.sequences: no sequence in any split"),
    ({"sources/mot/sha256": ["0" * 64, "1" * 64]}, "sources.mot.sha256: 2 hashes for 1 paths: give one for every path"),
    ({"sources/mot/splits": {"train": 0.5, "test": 0.6}}, "sources.mot.splits: the shares sum to 1.1"),
    ({"sources/mot/splits": {"train": 0.5, "test": ["b"]}}, "sources.mot.splits: shares and lists are mixed"),
    ({"sources/mot/splits": {"train": ["a"], "test": ["a"]}}, "sources.mot.splits: sequence `a` stands in two splits"),
    ({"sources/long/ranges": _ranges(one=((9, 3), "train"))}, "a.one.frames: the first frame is behind the last"),
    (
        {"sources/long/ranges": _ranges(one=((1, 10), "train"), two=((10, 30), "train"))},
        "sources.long.ranges.a.two.frames: overlaps the range before it",
    ),
    (
        {"sources/long/ranges": _ranges(two=((20, 30), "test"), one=((1, 10), "train"))},
        "sources.long.ranges.a.two.frames: only 9 frames behind another split: leave at least 10",
    ),
    ({"weights": {"path": "net.pt"}}, "weights: weights from outside need a sha256"),
    ({"weights": {"path": "scratch", "sha256": "a" * 64}}, "weights.sha256: weights from scratch have no sha256"),
    (
        {"sources/mot/path": "https://a.org/b.zip?X-Amz-Expires=60&X-Amz-Signature=5ec3e7"},
        "sources.mot.path: the address holds a signature, a key or a password",
    ),
    ({"sources/mot/path": ["b.zip", "https://a.org/c.zip?sig=5ec3e7"]}, "sources.mot.path.1: the address holds a sig"),
    ({"sources/mot/endpoint_url": "https://me:5ec3e7@a.org"}, "sources.mot.endpoint_url: the address holds a sig"),
    (
        {"weights": {"path": "https://a.org/w.pt?token=5ec3e7", "sha256": "a" * 64}},
        "weights.path: the address holds a signature",
    ),
    ({"curriculum/stage2/after": "stage2"}, "curriculum.stage2.after: a stage cannot come after itself"),
    ({"curriculum/stage2/after": "stage7"}, "curriculum.stage2.after: comes after `stage7`, which is no stage"),
    ({"curriculum/stage1/after": "stage2"}, "curriculum.stage1.after: the stages come after one another in a circle"),
    ({"curriculum/pretrained": {"after": "stage1"}, "pretrained": STAGE}, "curriculum.pretrained: `pretrained` is"),
    ({"curriculum/forgetting": {"after": "stage1"}, "forgetting": STAGE}, "curriculum.forgetting: the name is taken"),
    ({"stage2/mixture/sources": {"sea": {"frames": 3}}}, "stage2.mixture.sources.sea: no such source: sources are"),
    ({"stage1/mixture/lacks": ["bus"]}, "stage1.mixture.lacks: no class `bus`: classes are person, car"),
    ({"stage1/mixture/replay": 0.25}, "stage1.mixture.replay: there is no stage before to replay"),
    ({"stage1/mixture/sources/street": {}}, "stage1.mixture.sources.street: no budget: give it `frames` or a `share`"),
    (
        {"stage1/mixture/sources/street": {"frames": 2, "share": 1.0}},
        "stage1.mixture.sources.street.share: beside a number of frames: delete one of the two",
    ),
    (
        {"stage1/mixture/sources": {"street": {"share": 1.0}, "mot": {"frames": 2}}},
        "stage1.mixture.sources.mot.frames: frames and shares are mixed: give every source a share",
    ),
    (
        {"stage1/mixture/sources": {"street": {"share": 1.0}}},
        "stage1.mixture.frames: missing: sources have shares of it: add the whole mixture's number of frames",
    ),
    ({"stage1/mixture/frames": 9}, "stage1.mixture.frames: the sources have frames of their own: delete it, or give"),
    (
        {"stage1/mixture": {"frames": 9, "sources": {"street": {"share": 0.5}, "mot": {"share": 0.4}}}},
        "stage1.mixture.sources: the shares sum to 0.9: make them sum to 1",
    ),
    ({"stage1/warmup": 4.0}, "stage1.warmup: 4 epochs of 4 are warm-up: make it shorter"),
    ({"stage1/schedule": "step", "stage1/lr_drop": 4}, "stage1.lr_drop: past the last epoch (4)"),
    ({"stage1/schedule": "step"}, "stage1.lr_drop: schedule is `step`"),
    ({"stage1/lr_drop": 2}, "stage1.lr_drop: schedule is `cosine`: `lr_drop` goes with `schedule: step`"),
    ({"stage1/mixture/clip_length": 3}, "stage1.memory.batch: no multiple of mixture.clip_length (3)"),
    ({"stage1/validate_every": 5}, "stage1.validate_every: never in 4 epochs"),
    ({"stage1/freeze": ["head", "neck", "backbone"]}, "stage1.freeze: nothing is left to train"),
    ({"stage1/thaw": 2}, "stage1.thaw: nothing is frozen: name the parts in `freeze`, or delete it"),
    ({"stage1/freeze": ["head"], "stage1/thaw": 4}, "stage1.thaw: never in 4 epochs: thaw earlier, or delete it"),
    ({"stage1/augment": {"scale": [1.2, 0.8]}}, "stage1.augment.scale: the first is above the second: give [from, to]"),
    ({"stage1/augment": {"close_mosaic": 1}}, "stage1.augment.close_mosaic: there is no mosaic to close: set"),
    ({"stage1/keep_every": 5}, "stage1.keep_every: never in 4 epochs: keep more often, or delete it"),
    (
        {"stage1/patience": 1, "stage1/validate_every": 2},
        "stage1.patience: shorter than from one validation to the next (2 epochs): lengthen it, or validate more often",
    ),
    ({"logging": {"mlflow": "https://me:word@host/api"}}, "logging.mlflow: the address holds a signature, a key"),
    ({"evaluation/checkpoints": ["stage3"]}, "evaluation.checkpoints.0: no checkpoint `stage3`: checkpoints are"),
    ({"evaluation/engine": "ray", "evaluation/gpus": 1.5}, "evaluation.gpus: 1.5 is above 1 and not whole: give a"),
    ({"evaluation/checkpoints": ["stage1", "stage1"]}, "evaluation.checkpoints.1: checkpoint `stage1` stands twice"),
    ({"stage1/augment": {"mosaic": 0.1, "close_mosaic": 4}}, "stage1.augment.close_mosaic: no epoch of 4 is left with"),
    ({"stage1/freeze": ["backbone"], "stage1/lr_backbone": 0.1}, "stage1.lr_backbone: the backbone is frozen for good"),
    ({"stage1/mixture/intervals": [0.2, 0.4]}, "stage1.mixture.intervals: 2 intervals between the frames of clips of"),
    ({"stage1/patience": 3}, "stage1.patience: ends nothing before epoch 4, with a validation every 1: shorten it"),
    ({"stage1/patience": 2, "stage1/validate_every": 2}, "stage1.patience: ends nothing before epoch 4, with a"),
    ({"compute": {"port": 30000}}, "compute.port: there are no hosts to meet on it: name them in compute.hosts, or"),
    ({"compute": {"hosts": ["a", "b", "a"]}}, "compute.hosts.2: host `a` stands twice: delete one"),
    ({"trackers/detections": {"type": "ocsort"}}, "trackers.detections: the name is taken"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), ROWS, ids=[row[1][:60] for row in ROWS])
def test_a_contradiction_is_named(tmp_path: Path, changes: dict, expected: str):
    with pytest.raises(InputError) as caught:
        _load(tmp_path, **changes)
    message = str(caught.value)
    assert expected in message and "\n" not in message and "5ec3e7" not in message
    line = int(message.removeprefix(f"{tmp_path}/params.yaml:").split(":")[0])
    key = expected.split(":")[0].split(".")
    text = (tmp_path / "params.yaml").read_text().splitlines()[line - 1]
    parts = [*key, key[-1].rstrip("0123456789")]
    assert any(part in text for part in parts) or text.lstrip().startswith("- ")


FINE = [
    {"stage1/warmup": 3.9},
    {"stage1/schedule": "step", "stage1/lr_drop": 3},
    {"stage1/validate_every": 4},
    {"stage1/freeze": ["head", "neck"]},
    {"stage1/freeze": ["head", "neck", "backbone"], "stage1/thaw": 3},
    {"stage1/augment": {"scale": [1.0, 1.0], "mosaic": 0.1, "close_mosaic": 3}},
    {"stage1/keep_every": 4, "stage1/validate_every": 1, "stage1/patience": 2},
    {"stage1/epochs": 5, "stage1/validate_every": 2, "stage1/patience": 2},
    {"stage1/freeze": ["backbone"], "stage1/thaw": 3, "stage1/lr_backbone": 0.1},
    {"stage1/freeze": ["neck"], "stage1/lr_backbone": 0.1},
    {"stage1/mixture/intervals": [0.2]},
    {"stage1/mixture/clip_length": 2, "stage1/mixture/intervals": [0.2, 0.4]},
    {"compute": {"hosts": ["a", "b"], "port": 30000}},
    {"logging": {"mlflow": "http://127.0.0.1:5000"}},
    {"sources/long/ranges": _ranges(one=((1, 10), "train"), two=((11, 30), "train"))},
    {"sources/long/ranges": _ranges(one=((1, 10), "train"), two=((21, 30), "test"))},
    {"sources/mot/splits": {"train": ["a"], "test": ["b", "c"]}},
    {"sources/mot/splits": {"train": 0.7, "val": 0.1, "test": 0.2}},
    {"weights": {"path": "net.pt", "sha256": "0123456789abcdef" * 4}},
    {"stage2/mixture/replay": 0.9},
    {"stage2/mixture": {"frames": 9, "sources": {"street": {"share": 0.5}, "mot": {"share": 0.5}}, "replay": 0.5}},
    {"stage1/mixture/balance": {"classes": 1.0, "sizes": 0.5}},
    {"evaluation/checkpoints": ["pretrained", "stage1", "stage2"]},
    {"curriculum/stage2/after": "pretrained"},
]


@pytest.mark.parametrize("changes", FINE, ids=[str(row)[:60] for row in FINE])
def test_what_lies_just_inside_is_valid(tmp_path: Path, changes: dict):
    assert _load(tmp_path, **changes)
