"""A source whose visibility is unknown, -1 as MOTChallenge's last column: from its files to training and scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import mixture, score
from stages.check import MIXTURES, PRETRAINED
from stages.mixtures.mixture import Manifest, write_mixture
from stages.sequences.tracks import TRACKS
from tests.footage import Project, write_sequence

SPLITS = {"train": ["walk"], "val": ["hall"], "test": ["park"]}
PERFECT = "".join(f"{n},1,{5 + n},10,8,16,1,1,-1\n{n},2,40,20,10,6,1,2,-1\n" for n in range(1, 7))  # classes from 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("walk", "hall", "park")):
        gt = write_sequence(tmp_path / "in" / name, first=1 + 6 * number) / "gt/gt.txt"
        lines = gt.read_text().splitlines()
        gt.write_text("".join(f"{line.rpartition(',')[0]},-1\n" for line in lines))
    made = Project(tmp_path)
    made.write_params(footage={"path": "in", "splits": SPLITS})
    assert made.download().returncode == 0
    write_mixture(MIXTURES / PRETRAINED, Manifest((), (), 0.0, {}), [])


def test_unknown_is_not_hidden(project):
    mixture.main("stage1")
    assert json.loads(Path("metrics/mixture/stage1.json").read_text())["footage"]["boxes"] == {"person": 4, "car": 4}
    tracks = TRACKS / "stage1/bytetrack/footage/park.txt"
    tracks.parent.mkdir(parents=True)
    tracks.write_text(PERFECT)
    score.main("stage1", "bytetrack")
    pooled = json.loads(Path("metrics/scores/stage1/bytetrack.json").read_text())["footage"]["pooled"]
    assert [pooled[field] for field in ("HOTA", "MOTA", "GT_Dets", "FP")] == [1, 1, 12, 0]
