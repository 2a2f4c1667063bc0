"""The tables that scores are written as: a summary per source, rows per sequence, curves over alpha."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stages.scoring.metrics import Result, class_averaged, curves, over_sequences, pooled, scalars

# What one source's sequences scored: sequence to class to result.
SourceResults = Mapping[str, Mapping[str, Result]]


def summary(results: SourceResults) -> dict[str, dict | None]:
    """A source's scores: pooled over classes, averaged over those in the ground truth, and for each."""
    classes = _over_sequences(results)
    averaged = class_averaged(classes)
    return {
        "pooled": scalars(pooled(classes)),
        "class_averaged": scalars(averaged) if averaged else None,
        "classes": {name: scalars(result) for name, result in classes.items()},
    }


def sequence_rows(source: str, results: SourceResults) -> Iterator[dict]:
    """One row per sequence and class, `pooled` last."""
    for sequence, classes in results.items():
        for name, result in _with_pool(classes).items():
            yield {"source": source, "sequence": sequence, "class": name} | scalars(result)


def alpha_rows(source: str, results: SourceResults) -> Iterator[dict]:
    """One row per class (`pooled` last) and HOTA threshold; a class that the ground truth lacks has none."""
    for name, result in _with_pool(_over_sequences(results)).items():
        for point in curves(result):
            yield {"source": source, "class": name} | point


def _over_sequences(results: SourceResults) -> dict[str, Result]:
    names = next(iter(results.values()))
    return {name: over_sequences({key: classes[name] for key, classes in results.items()}) for name in names}


def _with_pool(classes: Mapping[str, Result]) -> dict[str, Result]:
    return {**classes, "pooled": pooled(classes)}
