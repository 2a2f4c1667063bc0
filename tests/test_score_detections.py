"""`python -m stages.score_detections`: sequences without ground truth; the rest is in test_score.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawing_project import lay_out

from stages import score_detections
from stages.scoring.detection import FIELDS
from stages.scoring.heldout import HeldOut
from stages.scoring.protocols import SKYWARD
from stages.sequences.detections import DETECTIONS, write_detections

GT = np.array([[frame, 1, 100, 50, 20, 20, 1, 1, 1] for frame in (1, 2)], float)


@pytest.fixture
def sequences(tmp_path, monkeypatch) -> dict[str, list[HeldOut]]:
    """By source; a perfect detection in every frame of `seen`, false alarms in `unseen`, which has no ground truth."""
    monkeypatch.chdir(tmp_path)
    lay_out()
    person = np.zeros(2, np.int64)
    seen = HeldOut("seen", 2, 10.0, (320, 192), GT, person, SKYWARD, "gt.txt")
    unseen = replace(seen, name="unseen", gt=GT[:0], roles=person[:0])
    found = np.array([[frame, 100, 50, 120, 70, 0.9, 0] for frame in (1, 2)], float)
    for source in ("street", "air"):
        write_detections(DETECTIONS / "stage1" / source / "seen.parquet", found)
        write_detections(DETECTIONS / "stage1" / source / "unseen.parquet", found)
    held = {"street": [seen, unseen], "air": [unseen]}
    monkeypatch.setattr(score_detections, "held_out", lambda params, source: iter(held[source]))
    monkeypatch.setattr(score_detections, "test_sources", lambda params: list(held))
    return held


def test_sequences_without_ground_truth_are_left_out(sequences):
    score_detections.main("stage1")
    result = json.loads(Path("metrics/scores/stage1/detections.json").read_text())
    assert (result["street"]["mAP"], result["street"]["AR1"], result["street"]["mAP_large"]) == (1, 1, None)
    assert result["air"] == dict.fromkeys(FIELDS) | {
        "classes": {name: dict.fromkeys(FIELDS) for name in ("person", "car")}
    }


def test_a_still_image_without_boxes_is_scored(sequences):
    sequences["street"][1] = replace(sequences["street"][1], length=1)
    write_detections(DETECTIONS / "stage1/street/unseen.parquet", np.array([[1, 100, 50, 120, 70, 0.95, 0]]))
    score_detections.main("stage1")
    result = json.loads(Path("metrics/scores/stage1/detections.json").read_text())
    assert result["street"]["mAP"] == pytest.approx(2 / 3, abs=1e-6)  # the false alarm has the best score
