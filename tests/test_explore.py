"""`python -m stages.explore` as a whole: every file, the same bytes twice, and nothing half-written."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from stages.errors import InputError
from stages.explore import EXPLORE, main
from stages.mixtures.mixture import MIXTURES, write_mixture
from tests.exploring_data import clip, manifest, params, walker, write_source
from tests.footage import ROOT

NAMES = {"sheet", "frames", "statistics", "positions"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    params()
    write_source({name: ("train", 6, walker(range(1, 7))) for name in "abcd"})
    write_mixture(MIXTURES / "stage1", manifest(), [clip("a", 1, 4), clip("b", 2, 5), clip("c", 6)])
    return tmp_path


def written() -> dict[str, bytes]:
    return {str(path.relative_to(EXPLORE)): path.read_bytes() for path in EXPLORE.rglob("*") if path.is_file()}


def test_every_picture_with_a_table_and_the_same_bytes_twice():
    main()
    first = written()
    assert set(first) == {
        f"{place}/{name}.{suffix}"
        for place in ("sources/tiny", "mixtures/stage1")
        for name in NAMES
        for suffix in ("png", "csv")
    }
    (EXPLORE / "left.txt").touch()
    main()
    assert written() == first  # what was left from before is gone
    assert all(len(content) < 600_000 for content in first.values())
    assert not any(b"tEXt" in content or b"tIME" in content for content in first.values())


def test_the_sheet_holds_the_other_pictures():
    main()
    pictures = {name: cv2.imread(str(EXPLORE / f"sources/tiny/{name}.png")) for name in NAMES}
    sheet = pictures.pop("sheet")
    assert {picture.shape[1] for picture in pictures.values()} == {sheet.shape[1]} == {1300}
    assert sheet.shape[0] == 84 + sum(picture.shape[0] for picture in pictures.values())
    assert (sheet[-pictures["positions"].shape[0] :] == pictures["positions"]).all()
    assert (sheet[84 : 84 + pictures["frames"].shape[0]] == pictures["frames"]).all()


def test_tables():
    main()
    with (EXPLORE / "sources/tiny/statistics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["panel", "unit", "class", "native", "part", "low", "high", "count"]
    assert rows[0] | {"count": "24"} == rows[0]
    speed = [r for r in rows if r["panel"] == "speed" and r["class"] == "person" and r["count"] != "0"]
    assert [(r["low"], r["high"], r["count"]) for r in speed] == [("4.8", "5", "20")]
    with (EXPLORE / "mixtures/stage1/sheet.csv").open(newline="") as file:
        rows = {(r["quantity"], r["class"]): r for r in csv.DictReader(file)}
    assert rows["frames", ""]["count"] == "5"
    assert rows["speed", "person"]["median"] == "5"


def test_a_mixture_that_is_absent_leaves_what_was_there():
    main()
    before = written()
    (MIXTURES / "stage1/manifest.json").unlink()
    with pytest.raises(InputError, match="dvc repro mixture@stage1"):
        main()
    assert written() == before
    assert [path.name for path in EXPLORE.parent.iterdir()] == ["explore"]


def test_the_command_needs_no_network_of_any_kind():
    code = (
        "import sys, stages.explore; stages.explore.main(); print({'torch', 'av', 'boto3', 'scipy'} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (ended.stdout, ended.stderr) == ("set()\n", "")
