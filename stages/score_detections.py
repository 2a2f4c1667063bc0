"""Scores one checkpoint's detections: ``python -m stages.score_detections CHECKPOINT``.

Reads data/sources/ (test splits) and data/detections/CHECKPOINT/; writes metrics/scores/CHECKPOINT/detections.json:
COCO's average precision and recall per source, over its classes and for each, by the names in
stages/scoring/detection.py; null where there is no target. Sequences without ground truth are left out.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import choose, run_stage
from stages.files import write_json
from stages.params import Params, load_params
from stages.scoring.detection import Detections, Truth, coco_scores, detections_of, truths_of
from stages.scoring.heldout import held_out
from stages.sequences.detections import DETECTIONS, read_detections
from stages.sequences.index import test_sources


def main(checkpoint: str) -> None:
    """Score one checkpoint's detections."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    summary = {}
    for source in test_sources(params):
        truths, detections = _frames(params, source, DETECTIONS / checkpoint / source)
        summary[source] = _rounded(coco_scores(truths, detections, params.classes))
    write_json(Path("metrics/scores", checkpoint, "detections.json"), summary)


def _frames(params: Params, source: str, folder: Path) -> tuple[list[Truth], list[Detections]]:
    """Ground truth and detections of every frame of the source's test sequences that have ground truth."""
    truths: list[Truth] = []
    detections: list[Detections] = []
    for sequence in held_out(params, source):
        if not sequence.annotated:
            continue
        truths += truths_of(sequence.gt, sequence.roles, sequence.length)
        table = read_detections(folder / f"{sequence.name}.parquet", sequence.length, len(params.classes))
        detections += detections_of(table, sequence.length)
    return truths, detections


def _rounded(value: dict | float | None) -> dict | float | None:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return None if value is None else round(value, 6)


if __name__ == "__main__":
    run_stage(main)
