"""Gathers what scoring wrote: the scores of every checkpoint on every source, and what each was trained on.

Reads metrics/scores/CHECKPOINT/TRACKER.json and metrics/scores/CHECKPOINT/detections.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.errors import InputError
from stages.params import Params

METRICS = Path("metrics")
SCORES_ROOT = METRICS / "scores"
SUMMARY = METRICS / "curriculum.json"
SCORES = ("HOTA", "MOTA", "IDF1", "mAP")
DETECTIONS = "detections"  # in the place of a tracker's name where there is none: mAP alone is scored

# One metric with the first tracker: checkpoint to source to value, None where there is nothing to score.
Matrix = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Result:
    """Pooled scores of one checkpoint on one source with one tracker; None where there is nothing to score."""

    checkpoint: str
    source: str
    tracker: str  # its name in params.yaml, or NAME.post for its post-processed tracks
    scores: dict[str, float | None]  # by the names in SCORES


def read_results(params: Params, root: Path = SCORES_ROOT) -> list[Result]:
    """All results, by checkpoint, source and tracker in the order of params.yaml."""
    results = []
    for checkpoint in params.evaluation.checkpoints:
        detections = read_scores(root / checkpoint / "detections.json")
        tracked = {name: read_scores(root / checkpoint / f"{name}.json") for name in params.trackers}
        for source in params.sources:
            precision = {"mAP": detections.get(source, {}).get("mAP")}
            if not tracked:
                results.append(Result(checkpoint, source, DETECTIONS, dict.fromkeys(SCORES) | precision))
            for tracker, scores in tracked.items():
                for name, of in raw_and_post(tracker, scores.get(source)):
                    found = {**(of["pooled"] or {}), **precision}
                    results.append(Result(checkpoint, source, name, {score: found.get(score) for score in SCORES}))
    return results


def raw_and_post(tracker: str, scores: dict | None) -> Iterator[tuple[str, dict]]:
    """What a tracker scored on a source, and what its post-processed tracks did, if there are any."""
    if scores is not None:
        yield tracker, scores
        if "post" in scores:
            yield f"{tracker}.post", scores["post"]


def read_scores(path: Path) -> dict:
    """The JSON at ``path``; raises `InputError` if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "no such scores", "run `dvc repro` or `dvc pull`") from None
    except ValueError as error:
        raise InputError(str(path), f"not JSON ({error})", "delete it and run `dvc repro`") from None


def first_tracker(params: Params, results: list[Result]) -> list[Result]:
    """The results of the first tracker in params.yaml, by which checkpoints are compared."""
    first = params.first_tracker or DETECTIONS
    return [result for result in results if result.tracker == first]


def matrix_of(params: Params, results: list[Result], metric: str) -> Matrix:
    """One of `SCORES` with the first tracker."""
    matrix: Matrix = {checkpoint: {} for checkpoint in params.evaluation.checkpoints}
    for result in first_tracker(params, results):
        matrix[result.checkpoint][result.source] = result.scores[metric]
    return matrix


def lineage(params: Params, checkpoint: str) -> tuple[str, ...]:
    """The stages before ``checkpoint``, first one first; none for the pretrained weights."""
    return params.lineage(checkpoint) if checkpoint in params.curriculum else ()


def trained_on(params: Params, checkpoint: str) -> set[str]:
    """The sources that a checkpoint was trained on, in its own stage or in one before it."""
    return {source for name in (*lineage(params, checkpoint), checkpoint) for source in own_sources(params, name)}


def own_sources(params: Params, checkpoint: str) -> set[str]:
    """The sources with a budget of their own in a checkpoint's stage; none for the pretrained weights."""
    return set(params.stages[checkpoint].mixture.sources) if checkpoint in params.stages else set()
