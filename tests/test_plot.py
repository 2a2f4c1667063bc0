"""`python -m stages.plot`: every table, figure and video, twice the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawing_project import HOTA, SEQUENCES, lay_out

from stages import plot
from stages.drawing import score_tables
from stages.errors import InputError
from stages.plot import main
from stages.scoring import mistakes
from tests.params_read import declared, read


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay_out()
    return tmp_path


def rows(name: str) -> list[dict[str, str]]:
    with Path("plots", name).open(newline="") as file:
        return list(csv.DictReader(file))


PICTURES = (
    "training",
    "hota",
    "hota_alpha",
    "forgetting",
    "matrix",
    "gains",
    "association",
    "sequences",
    "causes",
    "mixtures",
)


def test_all_of_it_and_the_same_again(project):
    outputs = []
    for _ in range(2):
        main()
        outputs.append({str(p): p.read_bytes() for p in Path("plots").iterdir() if p.is_file()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {f"plots/{name}.{suffix}" for name in PICTURES for suffix in ("csv", "png")}
    summary = json.loads(Path("metrics/curriculum.json").read_text())
    assert summary["forgetting"]["stage2"] == {"street": 0.2}


def test_tables(project):
    main()
    hota = rows("hota.csv")
    assert list(hota[0]) == ["checkpoint", "source", "tracker", "HOTA", "MOTA", "IDF1", "mAP"]
    assert len(hota) == 4 * 2 * 2
    found = {(r["checkpoint"], r["source"]): float(r["HOTA"]) for r in hota if r["tracker"] == "bytetrack"}
    assert found == {(c, s): v for c, sources in HOTA.items() for s, v in sources.items()}
    alpha = rows("hota_alpha.csv")
    assert len(alpha) == 4 * 2 * 2 * 2  # pooled only
    training = rows("training.csv")
    assert [r["mAP"] for r in training if r["stage"] == "stage1"] == ["", "0.2", "", "0.4"]
    assert [(r["checkpoint"], r["source"], r["HOTA"]) for r in rows("forgetting.csv")][:2] == [
        ("pretrained", "street", "0.9"),
        ("pretrained", "air", "0.1"),
    ]


def test_figures_are_drawn_to_scale(project):
    main()
    image = cv2.imread("plots/hota.png")
    # Heights of the first panel's first bar and last street bar: .9 to .5.
    blue = np.array([0xB2, 0x72, 0x00])
    columns = (np.abs(image.astype(int) - blue).sum(axis=2) < 6)[: image.shape[0] // 2].sum(axis=0)
    bars = [
        run.max() for run in np.split(columns, np.flatnonzero(np.diff((columns > 5).astype(int))) + 1) if run.max() > 5
    ]
    assert len(bars) == 4
    assert bars[3] / bars[0] == pytest.approx(0.5 / 0.9, abs=0.02)
    for name in ("training", "hota_alpha", "forgetting", "matrix"):
        height, width, _ = cv2.imread(f"plots/{name}.png").shape
        assert 400 <= height <= 2000
        assert 700 <= width <= 2500


def test_missing_curve(project):
    Path("plots/training/stage2.csv").unlink()
    with pytest.raises(InputError, match=r"plots/training/stage2\.csv: no such table"):
        main()


def test_what_scoring_found(project):
    main()
    gains = {(r["checkpoint"], r["source"]): r for r in rows("gains.csv") if r["metric"] == "HOTA"}
    assert len(gains) == 6  # three stages on two sources, each against its parent
    assert float(gains["stage2", "air"]["value"]) == pytest.approx(0.6)
    assert float(gains["stage2", "street"]["low"]) <= -0.2 <= float(gains["stage2", "street"]["high"])
    assert len(rows("sequences.csv")) == 4 * 2 * 2 * len(SEQUENCES)
    causes = [r for r in rows("causes.csv") if r["checkpoint"] == "stage1" and r["tracker"] == "bytetrack"]
    assert {r["cause"]: int(r["count"]) for r in causes if (r["source"], r["kind"]) == ("air", "miss")} == {
        "occluded": 2, "small": 4, "crowded": 6, "border": 8, "gap": 10, "other": 12,
    }  # fmt: skip
    [row] = [
        r
        for r in rows("association.csv")
        if (r["checkpoint"], r["source"], r["tracker"]) == ("stage3", "air", "ocsort")
    ]
    assert (row["HOTA"], row["DetA"], row["AssA"]) == ("0.7", "0.7", "0.7")
    assert [(r["stage"], r["source"], r["class"], r["boxes"]) for r in rows("mixtures.csv")][:2] == [
        ("stage1", "street", "person", "40"),
        ("stage1", "street", "car", "40"),
    ]


def test_too_few_sequences_have_no_interval(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(sequences=("one", "two"))
    main()
    assert {(r["low"], r["high"]) for r in rows("gains.csv")} == {("", "")}


def test_without_trackers_detection_alone_is_scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(trackers={})
    main()
    assert {(r["tracker"], r["HOTA"], r["mAP"]) for r in rows("hota.csv")} == {("detections", "", "0.60012")}
    assert rows("gains.csv") == rows("sequences.csv") == rows("causes.csv") == []
    assert json.loads(Path("metrics/curriculum.json").read_text())["forgetting"] == {}


def test_causes_are_those_of_scoring():
    assert score_tables.CAUSES == mistakes.CAUSES


def test_dvc_knows_the_params_that_are_read(project):
    inputs = {"stages"}  # the sources of mixtures, which metrics/mixture/ names as well
    assert read(plot, main) == declared("plot") | inputs
