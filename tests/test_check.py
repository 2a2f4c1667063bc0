"""The stage `check`: what it refuses, and what it writes."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline import ROOT, SMALL


def _check(folder: Path, params: dict) -> subprocess.CompletedProcess:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    command = [sys.executable, "-m", "stages.check"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def _written(folder: Path) -> dict[str, bytes]:
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder / "data")): path.read_bytes() for path in files}


def test_it_writes_the_same_whatever_a_valid_file_says(tmp_path: Path):
    assert _check(tmp_path, SMALL).returncode == 0
    written = _written(tmp_path)
    mixture = ("mixtures/pretrained/clips.csv", "mixtures/pretrained/manifest.json")
    assert set(written) == {"params.ok", "features.json", "tracks/here.txt", *mixture}
    assert (tmp_path / "plots/scores/here.txt").is_file()
    shutil.rmtree(tmp_path / "data")
    assert _check(tmp_path, SMALL | {"stage1": SMALL["stage1"] | {"lr": 2.0e-3}}).returncode == 0
    assert _written(tmp_path) == written


def test_it_names_what_trackers_use_besides_boxes(tmp_path: Path):
    trackers = {
        "byte": {"type": "bytetrack"},
        "bot": {"type": "botsort", "cmc_method": "ecc", "reid": "people"},
        "still": {"type": "botsort", "use_cmc": False},
    }
    params = SMALL | {"trackers": trackers, "reid": {"people": {"sources": ["street"], "classes": ["person"]}}}
    assert _check(tmp_path, params).stderr == ""
    needed = json.loads((tmp_path / "data/features.json").read_text())
    assert needed == {"boxes": "detections", "embeddings": ["people"], "camera_motion": ["ecc"]}


def test_the_description_of_a_network_must_lie_where_dvc_looks(tmp_path: Path):
    (tmp_path / "networks").mkdir()
    for path in ("own.yaml", "networks/own.yaml"):
        (tmp_path / path).write_text("nc: 80\n")
    result = _check(tmp_path, SMALL | {"detector": {"family": "yolo", "model": "own.yaml"}})
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "detector.model: the file lies outside of networks/, where DVC would not see an edit of it" in result.stderr
    for model in ("networks/own.yaml", "yolov8n.yaml"):
        assert _check(tmp_path, SMALL | {"detector": {"family": "yolo", "model": model}}).returncode == 0


def test_a_typo_is_one_line_and_nothing_is_written(tmp_path: Path):
    params = copy.deepcopy(SMALL)
    params["stage2"]["mixture"]["repaly"] = params["stage2"]["mixture"].pop("replay")
    result = _check(tmp_path, params)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: params.yaml:")
    assert result.stderr.endswith(": stage2.mixture.repaly: unknown key: did you mean `replay`?\n")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("key", ["compute", "reid", "protocols", "gates", "videos", "explain", "report"])
def test_what_the_pipeline_names_must_be_there(tmp_path: Path, key: str):
    result = _check(tmp_path, {name: value for name, value in SMALL.items() if name != key})
    assert result.stderr == f"error: params.yaml:1: {key}: missing: add `{key}: {{}}`\n"


def test_what_is_tracked_must_be_said(tmp_path: Path):
    evaluation = {name: value for name, value in SMALL["evaluation"].items() if name != "boxes"}
    result = _check(tmp_path, SMALL | {"evaluation": evaluation})
    assert result.stderr.endswith(": evaluation.boxes: missing: add `boxes: detections`\n")
