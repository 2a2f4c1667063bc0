"""`python -m stages.track`: what it writes, and bad detections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tracking_scenes import detections, scene

from stages.errors import InputError
from stages.params import load_params
from stages.params.labels import WORLD_LABELS
from stages.sequences.detections import write_detections
from stages.sequences.index import write_index
from stages.track import write_tracks

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The default params, one test sequence a source, and one object in each."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    for source, fps in (("street", 10), ("air", 20)):
        folder = Path("data/sources", source)
        folder.mkdir(parents=True)
        sequence = scene(folder / "one.zip", fps=fps, length=12)
        write_index(folder, [_row("one", "test", sequence), _row("seen", "train", sequence)], WORLD_LABELS)
        table = detections(12, lambda f: [(40 + f, 50, 20, 40, 0.9, 1)])
        write_detections(Path("data/detections/stage1", source, "one.parquet"), table)
    return tmp_path


def _row(name: str, split: str, sequence) -> dict:
    info = sequence.info
    shape = {"frames": info.length, "fps": info.fps, "width": info.width, "height": info.height}
    return {"sequence": name, "split": split, **shape, "boxes": 1, "ids": 1, "sha256": "0"}


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "stages.track", *arguments]
    return subprocess.run(command, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True)


def test_writes_tracks_and_options(project):
    done = run("stage1", "bytetrack")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder = project / "data/tracks/stage1/bytetrack"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["air/one.txt", "street/one.txt", "tracker.json"]
    lines = (folder / "street/one.txt").read_text().splitlines()
    assert lines[0] == "1,1,41.00,50.00,20.00,40.00,0.9000,2,-1"
    assert [line.split(",")[0] for line in lines] == [str(frame) for frame in range(1, 13)]
    said = json.loads((folder / "tracker.json").read_text())
    assert {fps: values["track_buffer"] for fps, values in said["options_by_fps"].items()} == {"10": 20, "20": 40}


def test_a_second_run_gives_the_same_bytes(project):
    params, results = load_params(), []
    for name in ("first", "second"):
        write_tracks(params, "ocsort", Path("data/detections/stage1"), project / name)
        results.append({p.name + p.parent.name: p.read_bytes() for p in (project / name).glob("*/*.txt")})
    assert results[0] == results[1]
    assert results[0]


def test_missing_detections_leave_nothing_behind(project):
    (project / "data/detections/stage1/air/one.parquet").unlink()
    done = run("stage1", "bytetrack")
    assert done.returncode == 1
    assert done.stderr == (
        "error: data/detections/stage1/air/one.parquet: no such detections: run `dvc repro detect@stage1`\n"
    )
    assert list((project / "data/tracks/stage1").iterdir()) == []


@pytest.mark.parametrize(
    "arguments,said",
    [
        (("stage1",), "error: stage1: usage: python -m stages.track CHECKPOINT TRACKER\n"),
        (("stage1", "sort"), "error: sort: no such tracker: params.yaml has bytetrack, ocsort\n"),
    ],
)
def test_wrong_arguments(project, arguments, said):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (1, said)


def test_corrupt_detections(project):
    path = Path("data/detections/stage1/street/one.parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"one\.parquet: not a table of detections"):
        write_tracks(load_params(), "bytetrack", path.parent.parent, project / "out")
