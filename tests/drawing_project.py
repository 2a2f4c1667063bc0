"""A project of three stages as scoring leaves it, laid out in the working directory with made-up scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import yaml
from tracking_scenes import scene

from stages.curriculum.results import SCORES_ROOT
from stages.params import Params, load_params
from stages.params.labels import WORLD_LABELS
from stages.sequences.index import write_index

ROOT = Path(__file__).resolve().parent.parent
HOTA = {
    "pretrained": {"street": 0.9, "air": 0.1},
    "stage1": {"street": 0.8, "air": 0.1},
    "stage2": {"street": 0.6, "air": 0.7},
    "stage3": {"street": 0.5, "air": 0.75},
}


def lay_out() -> Params:
    """Write params.yaml, scores and training curves; returns the params."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["curriculum"] = {
        "stage1": {"after": "pretrained"},
        "stage2": {"after": "stage1"},
        "stage3": {"after": "stage2"},
    }
    document["stage3"] = document["stage2"]
    document["evaluation"]["checkpoints"] = list(HOTA)
    document["trackers"] = {name: {"type": name} for name in ("bytetrack", "ocsort")}
    Path("params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    for checkpoint, sources in HOTA.items():
        _scores(checkpoint, sources)
    for stage in list(HOTA)[1:]:
        rows = [[epoch, 1e-3 / epoch, 4 / epoch, 1, 2, 3, "" if epoch % 2 else epoch / 10, ""] for epoch in range(1, 5)]
        _write(
            f"plots/training/{stage}.csv",
            ["epoch", "lr", "loss", "loss_box", "loss_cls", "loss_dfl", "mAP", "mAP50"],
            rows,
        )
    return load_params()


def _scores(checkpoint: str, sources: dict[str, float]) -> None:
    folder = SCORES_ROOT / checkpoint
    folder.mkdir(parents=True)
    for tracker, off in (("bytetrack", 0.0), ("ocsort", 0.05)):
        scores = {
            name: {"pooled": {"HOTA": hota - off, "MOTA": hota - 0.1, "IDF1": hota + 0.1}}
            for name, hota in sources.items()
        }
        (folder / f"{tracker}.json").write_text(json.dumps(scores))
        rows = [
            [s, c, a, hota - off, 0.5, 0.5, 0.5]
            for s, hota in sources.items()
            for c in ("car", "pooled")
            for a in (0.05, 0.5)
        ]
        _write(
            f"plots/scores/{checkpoint}/{tracker}/alphas.csv",
            ["source", "class", "alpha", "HOTA", "DetA", "AssA", "LocA"],
            rows,
        )
    (folder / "detections.json").write_text(json.dumps({name: {"mAP": 0.60012} for name in sources}))


def _write(path: str, header: list[str], rows: list[list]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def add_footage(length: int = 12) -> None:
    """One test sequence a source with one track that walks to the right, and a person without tracks in `air`."""
    for source, fps in (("street", 10), ("air", 20)):
        folder = Path("data/sources", source)
        folder.mkdir(parents=True)
        sequence = scene(folder / "one.zip", fps=fps, length=length)
        row = {"sequence": "one", "split": "test", "frames": length, "fps": fps, "width": 320, "height": 192}
        write_index(folder, [row | {"boxes": 1, "ids": 1, "sha256": "0"}], WORLD_LABELS)
        sequence.close()
        path = Path("data/tracks/stage3/bytetrack", source, "one.txt")
        path.parent.mkdir(parents=True)
        lines = (f"{f},1,{100 + 2 * f}.00,60.00,30.00,60.00,0.9000,1,-1\n" for f in range(1, length + 1))
        path.write_text("".join(lines) if source == "street" else "")
