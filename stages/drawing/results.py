"""Gathers what scoring wrote into the curriculum's summary, with the forgetting of every stage.

Reads metrics/scores/CHECKPOINT/TRACKER.json and metrics/scores/CHECKPOINT/detections.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from stages.errors import InputError
from stages.params import Params

METRICS = Path("metrics")
SCORES_ROOT = METRICS / "scores"
SCORES = ("HOTA", "MOTA", "IDF1", "mAP")


@dataclass(frozen=True)
class Result:
    """Pooled scores of one checkpoint on one source with one tracker; None where there is nothing to score."""

    checkpoint: str
    source: str
    tracker: str
    scores: dict[str, float | None]  # by the names in SCORES


def read_results(params: Params, root: Path = SCORES_ROOT) -> list[Result]:
    """All results, by checkpoint, source and tracker in the order of params.yaml."""
    results = []
    for checkpoint in params.evaluation.checkpoints:
        detections = _read(root / checkpoint / "detections.json")
        tracked = {name: _read(root / checkpoint / f"{name}.json") for name in params.trackers}
        for source in params.sources:
            for tracker, scores in tracked.items():
                if source in scores:
                    found = {**scores[source]["pooled"], "mAP": detections.get(source, {}).get("mAP")}
                    results.append(Result(checkpoint, source, tracker, {name: found.get(name) for name in SCORES}))
    return results


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "no such scores", "run `dvc repro` or `dvc pull`") from None
    except ValueError as error:
        raise InputError(str(path), f"not JSON ({error})", "delete it and run `dvc repro`") from None


def first_tracker(params: Params, results: list[Result]) -> list[Result]:
    """The results of the first tracker in params.yaml, by which checkpoints are compared."""
    first = next(iter(params.trackers))
    return [result for result in results if result.tracker == first]


def summarise(params: Params, results: list[Result]) -> dict[str, dict]:
    """What metrics/curriculum.json holds: checkpoint to source to scores, and the forgetting; 4 digits."""
    summary: dict[str, dict] = {checkpoint: {} for checkpoint in params.evaluation.checkpoints}
    for result in first_tracker(params, results):
        summary[result.checkpoint][result.source] = {name: _rounded(value) for name, value in result.scores.items()}
    return summary | {"forgetting": forgetting(params, hota_matrix(params, results))}


def hota_matrix(params: Params, results: list[Result]) -> dict[str, dict[str, float | None]]:
    """HOTA with the first tracker: checkpoint to source to value."""
    matrix: dict[str, dict[str, float | None]] = {checkpoint: {} for checkpoint in params.evaluation.checkpoints}
    for result in first_tracker(params, results):
        matrix[result.checkpoint][result.source] = result.scores["HOTA"]
    return matrix


def forgetting(params: Params, hota: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float]]:
    """How much HOTA each stage lost on the sources of the stages before it: stage to source to value.

    After stage k, for source s: the best of HOTA_j(s) over the evaluated stages j in k's lineage that were trained
    on s, themselves or in a stage before them, minus HOTA_k(s). Positive is forgotten, negative is gained.
    Chaudhry et al. 2018, arXiv:1801.10112, eq. 3, with HOTA in the place of accuracy.
    """
    lost: dict[str, dict[str, float]] = {}
    for stage in params.evaluation.checkpoints:
        before = [name for name in _lineage(params, stage) if name in hota]
        for source, now in hota[stage].items():
            best = [hota[name].get(source) for name in before if source in trained_on(params, name)]
            known = [value for value in best if value is not None]
            if known and now is not None:
                lost.setdefault(stage, {})[source] = round(max(known) - now, 4)
    return lost


def trained_on(params: Params, checkpoint: str) -> set[str]:
    """The sources that a checkpoint was trained on, in its own stage or in one before it."""
    return {source for name in (*_lineage(params, checkpoint), checkpoint) for source in own_sources(params, name)}


def own_sources(params: Params, checkpoint: str) -> set[str]:
    """The sources with a budget of their own in a checkpoint's stage; none for the pretrained weights."""
    return set(params.stages[checkpoint].mixture.sources) if checkpoint in params.stages else set()


def _lineage(params: Params, checkpoint: str) -> tuple[str, ...]:
    return params.lineage(checkpoint) if checkpoint in params.curriculum else ()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
