"""Scores one tracker over one checkpoint's detections: ``python -m stages.score CHECKPOINT TRACKER``.

Reads data/sources/ (test splits) and data/tracks/CHECKPOINT/TRACKER/. Writes metrics/scores/CHECKPOINT/TRACKER.json
(per source: pooled, class-averaged and per class), and under plots/scores/CHECKPOINT/TRACKER/ sequences.csv (per
sequence and class) and alphas.csv (HOTA and its parts over IoU thresholds). A share of a ground truth that has no
box is null or empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from stages.errors import run_stage
from stages.files import write_json, write_text
from stages.params import Params, load_params
from stages.scoring.heldout import held_out
from stages.scoring.metrics import ALPHA_FIELDS, FIELDS, score_sequence
from stages.scoring.report import SourceResults, alpha_rows, sequence_rows, summary
from stages.sequences.index import test_sources
from stages.sequences.tracks import TRACKS, read_tracks


def main(checkpoint: str, tracker: str) -> None:
    """Score one tracker over one checkpoint's detections."""
    params = load_params()
    tracks, plots = TRACKS / checkpoint / tracker, Path("plots/scores", checkpoint, tracker)
    scored = {source: _score(params, source, tracks / source) for source in test_sources(params)}
    sequences = (row for source, results in scored.items() for row in sequence_rows(source, results))
    alphas = (row for source, results in scored.items() for row in alpha_rows(source, results))
    summaries = {source: summary(results) for source, results in scored.items()}
    write_json(Path("metrics/scores", checkpoint, f"{tracker}.json"), summaries)
    _write_table(plots / "sequences.csv", sequences, ["source", "sequence", "class", *FIELDS])
    _write_table(plots / "alphas.csv", alphas, ["source", "class", *ALPHA_FIELDS])


def _score(params: Params, source: str, tracks: Path) -> SourceResults:
    """Sequence to class to result."""
    results = {}
    for each in held_out(params, source):
        found = read_tracks(tracks / f"{each.name}.txt", each.length, len(params.classes))
        results[each.name] = score_sequence(each.gt, each.purposes, found, each.length, params.classes, each.where)
    return results


def _write_table(path: Path, rows: Iterable[dict], columns: list[str]) -> None:
    # As objects, whole numbers stay whole beside empty cells.
    write_text(path, pd.DataFrame(list(rows), columns=columns, dtype=object).to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run_stage(main)
