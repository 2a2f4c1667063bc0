"""docs/formats.md: the columns that it lists are those that the code writes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from stages.curriculum.gains import GAIN_COLUMNS
from stages.curriculum.summary import MATRIX_COLUMNS
from stages.detectors.card import Card
from stages.draw_videos import VIDEO_COLUMNS, WORST_COLUMNS
from stages.drawing import score_tables as sco
from stages.drawing import tables as tab
from stages.explaining.table import COLUMNS as EXPLAIN_COLUMNS
from stages.mixtures.mixing import Clip
from stages.mixtures.summary import Summary, table
from stages.report import TIME_COLUMNS
from stages.reporting.timeline import columns_of
from stages.scoring import mistakes, parts
from stages.scoring.metrics import ALPHA_FIELDS
from stages.sequences import annotations, detections, features, index
from stages.sequences.archive import SequenceInfo, format_seqinfo
from stages.sequences.tracks import format_tracks
from stages.training.handoff import HandoffReport
from stages.transport.progress import Traffic
from stages.watching.table import StepTable
from stages.watching.watcher import Step
from tests.docs.pages import cells, names
from tests.footage import ROOT

PAGE = ROOT / "docs/formats.md"
_SUMMARY = table([Summary("a", "train", 1, 1, 1, 1, 1.0, (), (1,), (1, 0, 0))], ["CLASS"])[0]
_PARTS = ["HOTA_TP", "HOTA_FN", "HOTA_FP", "AssA_sum"]
RUN = "data/tracks/CHECKPOINT/TRACKER/SOURCE/SEQUENCE.txt"
SCORES = "plots/scores/CHECKPOINT/TRACKER"


def _training() -> list[str]:
    return tab.training_columns([{"loss_PART": 1.0}])


EXPECTED: dict[str, list[str]] = {
    "data/sources/SOURCE/index.csv": index.COLUMNS,
    "data/mixtures/STAGE/clips.csv": [field.name for field in fields(Clip)],
    "data/mixtures/STAGE/summary.csv": list(_SUMMARY),
    "plots/training/STAGE.csv": _training()[1:],
    "data/detections/CHECKPOINT/SOURCE/SEQUENCE.parquet": list(detections.COLUMNS),
    "data/features/CHECKPOINT/camera-METHOD/SOURCE/SEQUENCE.parquet": ["frame", *features._WARP],
    f"{SCORES}/alphas.csv": ["source", "class", *ALPHA_FIELDS],
    f"{SCORES}/mistakes.csv": ["source", "sequence", *mistakes.COLUMNS],
    f"{SCORES}/causes.csv": list(mistakes.TOTAL_COLUMNS),
    f"{SCORES}/parts.csv": [*parts._KEYS, *(f"{name}_ALPHA" for name in _PARTS), *parts._COUNTS],
    "plots/training.csv": _training(),
    "plots/hota.csv": list(tab.HOTA_COLUMNS),
    "plots/hota_alpha.csv": list(tab.ALPHA_COLUMNS),
    "plots/forgetting.csv": list(tab.FORGETTING_COLUMNS),
    "plots/matrix.csv": list(MATRIX_COLUMNS),
    "plots/gains.csv": list(GAIN_COLUMNS),
    "plots/association.csv": list(sco.ASSOCIATION_COLUMNS),
    "plots/sequences.csv": list(sco.SEQUENCE_COLUMNS),
    "plots/causes.csv": list(sco.CAUSE_COLUMNS),
    "plots/mixtures.csv": list(tab.MIXTURE_COLUMNS),
    "plots/report/timeline.csv": columns_of([{"loss_PART": 1.0, "lr_PART": 1.0}]),
    "plots/report/times.csv": list(TIME_COLUMNS),
    "plots/videos/CHECKPOINT/videos.csv": list(VIDEO_COLUMNS),
    "plots/videos/CHECKPOINT/worst.csv": list(WORST_COLUMNS),
    "plots/explain/CHECKPOINT/explain.csv": list(EXPLAIN_COLUMNS),
}


def said() -> dict[str, list[str]]:
    """The page's columns, by file."""
    rows = [row for row in cells(PAGE) if len(row) == 2 and "/" in row[0]]
    return {names(row[0])[0]: names(row[1]) for row in rows}


@pytest.mark.parametrize("path", EXPECTED)
def test_columns_are_the_codes(path: str):
    assert said()[path] == EXPECTED[path]


def test_no_other_table_is_left_unchecked():
    elsewhere = {  # checked below
        "gt/gt.txt",
        RUN,
        "data/features/CHECKPOINT/REID/SOURCE/SEQUENCE.parquet",
        "metrics/runs/STAGE.csv",
        f"{SCORES}/sequences.csv",
    }
    assert set(said()) == set(EXPECTED) | elsewhere


def test_parts_expand_to_the_tables_columns():
    alphas = [f"{5 * step:02d}" for step in range(1, 20)]
    expanded = [
        column.replace("ALPHA", alpha)
        for column in said()[f"{SCORES}/parts.csv"]
        for alpha in (alphas if "ALPHA" in column else [""])
    ]
    assert expanded == [*parts._KEYS, *parts._FIELDS]


def test_ground_truth_and_tracks_have_their_columns_in_order():
    columns = said()["gt/gt.txt"]
    assert [getattr(annotations, name.upper()) for name in columns] == list(range(9))
    written = format_tracks(np.array([[1, 2, 3, 4, 5, 6, 0.7, 0]]))
    assert len(written.split(",")) == len(said()[RUN]) == 9
    assert dict(zip(said()[RUN], written.strip().split(","), strict=True)) == {
        **{"frame": "1", "id": "2", "left": "3.00", "top": "4.00", "width": "5.00", "height": "6.00"},
        **{"score": "0.7000", "class": "1", "visibility": "-1"},
    }


def test_embeddings_are_stored_as_said(tmp_path: Path):
    import pyarrow.parquet as parquet

    path = tmp_path / "a.parquet"
    features.write_embeddings(path, np.array([1]), np.array([[1.0, 0.0]]))
    assert parquet.read_table(path).column_names == said()["data/features/CHECKPOINT/REID/SOURCE/SEQUENCE.parquet"]


def test_the_step_table_is_written_as_said(tmp_path: Path):
    steps = StepTable(tmp_path / "steps.csv")
    steps.begin("STAGE", {})
    given = {"losses": {"loss": 1.0, "loss_PART": 1.0}, "rates": {"PART": 0.1}}
    given |= {"images_per_second": 1.0, "memory_mb": 1.0, "waited": 0.0, "seconds": 1.0, "seconds_left": 1.0}
    steps.step(Step(1, 1, 1, 1, **given))
    steps.finish(tmp_path / "STAGE.csv")
    assert (tmp_path / "STAGE.csv").read_text().split("\n")[0].split(",") == said()["metrics/runs/STAGE.csv"]


def test_keys_of_cards_and_small_files():
    text = PAGE.read_text()
    keys = [names(row[0])[0] for row in cells(PAGE) if len(row) == 2 and names(row[0]) and "/" not in row[0]]
    assert keys == [field.name for field in fields(Card)]
    for field in [*fields(HandoffReport), *fields(Traffic)]:
        assert f"`{field.name}`" in text, field.name
    seqinfo = format_seqinfo(SequenceInfo("a", 1.0, 2, 3, 4))
    assert re.findall(r"^(\w+)=", seqinfo, re.MULTILINE) == re.findall(
        r"`(\w+)`", re.search(r"section `\[Sequence\]` with (.*?)\.", text, re.DOTALL)[1]
    )
