"""A project of three stages as scoring leaves it, laid out in the working directory with made-up scores."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from stages.params import Params, load_params
from stages.scoring.parts import write_parts

ROOT = Path(__file__).resolve().parent.parent
SEQUENCES = ("one", "two", "three", "four", "five", "six")
HOTA: dict[str, dict[str, float | None]] = {
    "pretrained": {"street": 0.9, "air": 0.1},
    "stage1": {"street": 0.8, "air": 0.1},
    "stage2": {"street": 0.6, "air": 0.7},
    "stage3": {"street": 0.5, "air": 0.75},
}


def lay_out(sequences: Sequence[str] = SEQUENCES, **changes: object) -> Params:
    """Write params.yaml with ``changes``, and scores of all its checkpoints and training curves; returns the params.

    A change to None takes a key away. A checkpoint that `HOTA` does not name scores as `stage1`.
    """
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["curriculum"] = {
        "stage1": {"after": "pretrained"},
        "stage2": {"after": "stage1"},
        "stage3": {"after": "stage2"},
    }
    document["stage3"] = document["stage2"]
    document["evaluation"]["checkpoints"] = list(HOTA)
    document["trackers"] = {name: {"type": name} for name in ("bytetrack", "ocsort")}
    document = {key: value for key, value in (document | changes).items() if value is not None}
    Path("params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    params = load_params()
    for checkpoint in params.evaluation.checkpoints:
        _scores(params, checkpoint, HOTA.get(checkpoint, HOTA["stage1"]), sequences)
    for stage in params.curriculum:
        _training(params, stage)
    return params


def _training(params: Params, stage: str) -> None:
    rows = [[epoch, 1e-3 / epoch, 4 / epoch, 1, 2, 3, "" if epoch % 2 else epoch / 10, ""] for epoch in range(1, 5)]
    columns = ["epoch", "lr", "loss", "loss_box", "loss_cls", "loss_dfl", "mAP", "mAP50"]
    _write(f"plots/training/{stage}.csv", columns, rows)
    boxes = dict.fromkeys(params.classes, 40)
    mixture = {
        name: {"frames": 8, "seconds": 4.0, "ids": 2, "boxes": boxes} for name in params.stages[stage].mixture.sources
    }
    _write_json(f"metrics/mixture/{stage}.json", mixture)
    steps = [[1 + step // 5, step, 4 - step / 10, 1e-3, 30.0, 500 + step, 0.01, 6.0 * step] for step in range(1, 21)]
    columns = ["epoch", "step", "loss", "lr_head", "images_per_second", "memory_mb", "waited", "seconds"]
    _write(f"metrics/runs/{stage}.csv", columns, steps)
    record = {"seconds": 130.0, "training_seconds": 120.0, "waiting_share": 0.01, "steps": 20, "peak_memory_mb": 520}
    events = [{"step": 10, "before": "batch 8", "after": "batch 4"}] if stage == "stage2" else []
    resumes = [5] if stage == "stage2" else []
    more = {"resumed_at_steps": resumes, "oom_events": events, "device": "cpu", "torch": "2.0"}
    _write_json(f"metrics/runs/{stage}.json", record | more)
    _write_json(f"models/{stage}/card.json", {"selected": {"epoch": 4, "score": 0.4}})


def _scores(params: Params, checkpoint: str, hota: Mapping[str, float | None], sequences: Sequence[str]) -> None:
    for tracker, off in zip(params.trackers, (0.0, 0.05), strict=False):
        folder = f"plots/scores/{checkpoint}/{tracker}"
        found = {source: _less(hota.get(source, 0.5), off) for source in params.sources}
        _write_json(f"metrics/scores/{checkpoint}/{tracker}.json", {s: _source(h) for s, h in found.items()})
        rows = [[s, c, a, h, 0.5, 0.5, 0.5] for s, h in found.items() for c in ("car", "pooled") for a in (0.05, 0.5)]
        known = [row for row in rows if row[3] is not None]
        _write(f"{folder}/alphas.csv", ["source", "class", "alpha", "HOTA", "DetA", "AssA", "LocA"], known)
        rows = [[s, name, c, h, h, h] for s, h in found.items() for name in sequences for c in ("car", "pooled")]
        known = [row for row in rows if row[3] is not None]
        _write(f"{folder}/sequences.csv", ["source", "sequence", "class", "HOTA", "MOTA", "IDF1"], known)
        kinds = ("miss", "false alarm", "switch", "fragmentation")
        rows = [[s, c, k, 1, 2, 3, 4, 5, 6, 21] for s in found for c in params.classes for k in kinds]
        columns = ["source", "class", "kind", "occluded", "small", "crowded", "border", "gap", "other", "all"]
        _write(f"{folder}/causes.csv", columns, rows)
        scored = {s: {name: {"car": _sums(h)} for name in sequences} for s, h in found.items() if h is not None}
        write_parts(f"{folder}/parts.csv", scored)
    detections = {name: {"mAP": None if hota.get(name, 0.5) is None else 0.60012} for name in params.sources}
    _write_json(f"metrics/scores/{checkpoint}/detections.json", detections)


def _less(value: float | None, off: float) -> float | None:
    return None if value is None else value - off


def _source(hota: float | None) -> dict:
    """What scoring says of a source; None is one without ground truth."""
    if hota is None:
        return {"pooled": dict.fromkeys(("HOTA", "MOTA", "IDF1", "DetA", "AssA")), "not_scored": ["one"]}
    pooled = {"HOTA": hota, "MOTA": hota - 0.1, "IDF1": hota + 0.1, "DetA": hota, "AssA": hota}
    return {"pooled": pooled, "intervals": {"pooled": {"HOTA": [hota - 0.05, hota + 0.04]}}}


def _sums(hota: float) -> dict:
    """A sequence's result whose HOTA, at every threshold, is ``hota``."""
    found, missed = 100 * hota, 100 * (1 - hota)
    curves = {"HOTA_TP": found, "HOTA_FN": missed, "HOTA_FP": 0, "AssA": hota}
    return {
        "HOTA": {name: np.full(19, value, float) for name, value in curves.items()},
        "CLEAR": {"CLR_TP": found, "CLR_FN": missed, "CLR_FP": 0, "IDSW": 0},
        "Identity": {"IDTP": found, "IDFN": missed, "IDFP": 0},
    }


def _write_json(path: str, value: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(value))


def _write(path: str, header: list[str], rows: list[list]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
