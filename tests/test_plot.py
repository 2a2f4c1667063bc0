"""`python -m stages.plot`: every table, figure and video, twice the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawing_project import HOTA, add_footage, lay_out

from stages.curriculum.results import read_results
from stages.errors import InputError
from stages.params import load_params
from stages.plot import main, write_plots


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay_out()
    return tmp_path


def rows(name: str) -> list[dict[str, str]]:
    with Path("plots", name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_of_it_and_the_same_again(project):
    add_footage()
    outputs = []
    for _ in range(2):
        main()
        outputs.append({str(p): p.read_bytes() for p in Path().rglob("*") if p.suffix in (".csv", ".png", ".mp4")})
    assert outputs[0] == outputs[1]
    names = {name for name in outputs[0] if Path(name).parent == Path("plots")}
    drawn = {
        f"plots/{n}.{s}" for n in ("training", "hota", "hota_alpha", "forgetting", "matrix") for s in ("csv", "png")
    }
    assert names == drawn
    assert {p.name for p in Path("plots/videos").iterdir()} == {"street.mp4", "air.mp4"}
    summary = json.loads(Path("metrics/curriculum.json").read_text())
    assert summary["forgetting"]["stage2"] == {"street": 0.2}


def test_tables(project):
    params = load_params()
    write_plots(params, read_results(params))
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
    params = load_params()
    write_plots(params, read_results(params))
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
    params = load_params()
    with pytest.raises(InputError, match=r"plots/training/stage2\.csv: no such table"):
        write_plots(params, read_results(params))


def test_a_failed_video_leaves_the_old_ones(project):
    add_footage()
    main()
    before = Path("plots/videos/street.mp4").read_bytes()
    Path("data/tracks/stage3/bytetrack/air/one.txt").write_text("1,2\n")
    with pytest.raises(InputError):
        main()
    assert Path("plots/videos/street.mp4").read_bytes() == before
    assert [p.name for p in Path("plots").iterdir() if "partial" in p.name] == []
