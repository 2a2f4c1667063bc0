"""Scores one tracker over one checkpoint's detections: ``python -m stages.score CHECKPOINT TRACKER``.

Reads data/sources/ (test splits) and data/tracks/CHECKPOINT/TRACKER/SOURCE/, and SOURCE.post/ where tracks were
post-processed. Writes metrics/scores/CHECKPOINT/TRACKER.json (per source: pooled, class-averaged, weighted by
annotated boxes and per class, and 95 % intervals; the same of post-processed tracks under `post`). Under
plots/scores/CHECKPOINT/TRACKER/ it writes

- sequences.csv: per sequence and class (SOURCE.post are post-processed tracks);
- alphas.csv: HOTA and its parts over IoU thresholds;
- mistakes.csv and causes.csv: every mistake of the raw tracks, and how many there are of each kind and cause;
- parts.csv: the sums by which `stages.compare` holds two runs against each other.

A share of a ground truth that has no box is null or empty; a sequence without ground truth is not scored, and named
under `not_scored`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.errors import choose, run_stage
from stages.files import write_json, write_table, write_text
from stages.params import Params, load_params
from stages.scoring.bootstrap import intervals
from stages.scoring.heldout import protocol_of
from stages.scoring.metrics import ALPHA_FIELDS, FIELDS
from stages.scoring.mistakes import COLUMNS, TOTAL_COLUMNS, totals
from stages.scoring.parts import write_parts
from stages.scoring.report import alpha_rows, sequence_rows, summary
from stages.scoring.scored import POST, Scored, mistake_rows, raw_folders, results_of, score
from stages.sequences.tracks import TRACKS


def main(checkpoint: str, tracker: str) -> None:
    """Score one tracker over one checkpoint's detections."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    choose(params.trackers, tracker, "tracker")
    scored = score(params, TRACKS / checkpoint / tracker)
    summaries = {source: summarised(params, source, scored) for source in raw_folders(scored)}
    write_json(Path("metrics/scores", checkpoint, f"{tracker}.json"), summaries)
    write_tables(params, scored, Path("plots/scores", checkpoint, tracker))


def summarised(params: Params, source: str, scored: Scored) -> dict:
    """What the metrics file says of a source."""
    result = _summary(params, source, scored)
    if source + POST in scored:
        result["post"] = _summary(params, source + POST, scored)
    without = [name for name, scores in scored[source].items() if scores is None]
    return result | ({"not_scored": without} if without else {})


def _summary(params: Params, folder: str, scored: Scored) -> dict:
    results, rules = results_of(scored, folder), protocol_of(params, folder.removesuffix(POST))
    bounds = {"intervals": intervals(results)} if results else {}
    return summary(results, params.classes, rules) | bounds


def write_tables(params: Params, scored: Scored, folder: Path) -> None:
    """Write the CSV files."""
    results = {name: results_of(scored, name) for name in scored}
    sequences = (
        row
        for name in scored
        for row in sequence_rows(name, results[name], protocol_of(params, name.removesuffix(POST)))
    )
    alphas = (row for name in raw_folders(scored) for row in alpha_rows(name, results[name]))
    _write_exactly(folder / "sequences.csv", sequences, ["source", "sequence", "class", *FIELDS])
    _write_exactly(folder / "alphas.csv", alphas, ["source", "class", *ALPHA_FIELDS])
    write_parts(folder / "parts.csv", results)
    rows = list(mistake_rows(scored))
    write_table(folder / "mistakes.csv", ("source", "sequence", *COLUMNS), rows)
    write_table(folder / "causes.csv", TOTAL_COLUMNS, totals(rows))


def _write_exactly(path: Path, rows: Iterable[dict], columns: Sequence[str]) -> None:
    """As `write_table`, with all digits that the metrics file has."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # None becomes an empty cell
    write_text(path, text.getvalue())


if __name__ == "__main__":
    run_stage(main)
