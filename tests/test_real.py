"""The pipeline on real footage, shortened: the same DAG as tests/real/params.yaml, a few frames and one epoch."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.pipeline import ROOT, clone_repository

CHECKPOINTS = ("pretrained", "stage2")


def shortened() -> dict:
    """tests/real/params.yaml with fewer frames, smaller ones, and one epoch a stage."""
    params = yaml.safe_load((ROOT / "tests/real/params.yaml").read_text())
    ranges = params["sources"]["pets"]["ranges"]["PETS09-S2L1"]
    ranges["early"]["frames"], ranges["middle"]["frames"], ranges["late"]["frames"] = [1, 40], [541, 548], [661, 690]
    params["sources"]["mot17"]["take"] = {"sequences": ["MOT17-02-FRCNN", "MOT17-09-FRCNN"]}
    params["stage1"]["mixture"]["sources"] = {"pets": {"frames": 8}}
    for stage in ("stage1", "stage2"):
        params[stage]["epochs"] = params[stage]["validate_every"] = 1
        params[stage]["warmup"] = 0
        params[stage]["mixture"]["validation_frames"] = 2
        params[stage]["memory"]["image_size"] = 480
    params["evaluation"]["checkpoints"] = list(CHECKPOINTS)
    return params


def test_the_whole_dag_on_real_footage(real_data: Path, tmp_path: Path):
    clone = clone_repository(tmp_path / "clone", shortened(), REAL_DATA=str(real_data.resolve()))
    clone.dvc("repro")
    card = json.loads((clone.folder / "models/stage1/card.json").read_text())
    assert card["handoff"]["carried_classes"] == ["person", "car"]
    assert card["handoff"]["tensors"] == {"loaded": 349, "reshaped": 6, "new": 0, "dropped": 0}
    assert card["handoff"]["share"] == 1
    curriculum = json.loads((clone.folder / "metrics/curriculum.json").read_text())
    for checkpoint in CHECKPOINTS:
        assert set(curriculum[checkpoint]) == {"pets", "mot17", "drone"}
        assert curriculum[checkpoint]["pets"]["HOTA"] > 0.4  # COCO's people are found, and not forgotten in one epoch
        assert curriculum[checkpoint]["mot17"]["HOTA"] > 0.1
    for checkpoint in ("pretrained", "stage2"):
        videos = {path.name for path in (clone.folder / "plots/videos" / checkpoint).glob("*.mp4")}
        sources = ("pets", "mot17", "drone")
        views = {f"{source}{view}.mp4" for source in sources for view in ("", ".diagnosis")}
        assert videos - {"worst.mp4"} == views
        pictures = list((clone.folder / "plots/explain" / checkpoint).glob("*.jpg"))
        assert len(pictures) >= 2
    assert "up to date" in clone.dvc("status")
