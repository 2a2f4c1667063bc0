"""The tables that scores are written as: a summary per source, rows per sequence, curves over alpha."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stages.scoring.metrics import (
    FIELDS,
    Result,
    class_averaged,
    curves,
    detection_weighted,
    over_sequences,
    pooled,
    scalars,
)
from stages.scoring.protocols import SKYWARD, Rules

# What one source's sequences scored: sequence to class to result.
SourceResults = Mapping[str, Mapping[str, Result]]


def summary(results: SourceResults, classes: Sequence[str], rules: Rules = SKYWARD) -> dict[str, dict | None]:
    """A source's scores: its classes pooled, averaged, weighted by annotated boxes, and each; see `metrics`.

    Where no sequence was scored, every field is None, as are the averages where the ground truth has no class.
    """
    if not results:
        empty = dict.fromkeys(FIELDS)
        return {"pooled": empty, "class_averaged": None, "detection_weighted": None} | {
            "classes": dict.fromkeys(classes, empty)
        }
    each = _over_sequences(results)
    averages = {name: scalars(result) for name, result in _averages(each, rules).items()}
    return {
        "pooled": scalars(pooled(each)),
        "class_averaged": averages.get("class_averaged"),
        "detection_weighted": averages.get("detection_weighted"),
        "classes": {name: scalars(result) for name, result in each.items()},
    }


def sequence_rows(source: str, results: SourceResults, rules: Rules = SKYWARD) -> Iterator[dict]:
    """Rows per sequence: one per class, then `pooled`, and the two averages where the ground truth has a class."""
    for sequence, classes in results.items():
        for name, result in (_with_pool(classes) | _averages(classes, rules)).items():
            yield {"source": source, "sequence": sequence, "class": name} | scalars(result)


def alpha_rows(source: str, results: SourceResults) -> Iterator[dict]:
    """One row per class (`pooled` last) and HOTA threshold; a class that the ground truth lacks has none."""
    if results:
        for name, result in _with_pool(_over_sequences(results)).items():
            for point in curves(result):
                yield {"source": source, "class": name} | point


def _over_sequences(results: SourceResults) -> dict[str, Result]:
    names = next(iter(results.values()))
    return {name: over_sequences({key: classes[name] for key, classes in results.items()}) for name in names}


def _with_pool(classes: Mapping[str, Result]) -> dict[str, Result]:
    return {**classes, "pooled": pooled(classes)}


def _averages(classes: Mapping[str, Result], rules: Rules) -> dict[str, Result]:
    """Those that are defined."""
    both = {
        "class_averaged": class_averaged(classes, rules.absent_is_zero),
        "detection_weighted": detection_weighted(classes),
    }
    return {name: result for name, result in both.items() if result}
