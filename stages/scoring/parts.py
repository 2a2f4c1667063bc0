"""What each sequence contributes to HOTA, MOTA and IDF1, in sums: written, read, and put together again.

`plots/scores/CHECKPOINT/TRACKER/parts.csv` has a row for each source, sequence and class. TrackEval combines sequences,
and pools classes, by adding these numbers up (AssA weighted by the true positives of each threshold), so any choice of
sequences is scored without matching a box again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import InputError
from stages.files import write_text

METRICS = ("HOTA", "MOTA", "IDF1")
_ALPHAS = 19  # HOTA's thresholds, .05 to .95
_CURVES = ("HOTA_TP", "HOTA_FN", "HOTA_FP", "AssA_sum")  # a number for each threshold
_COUNTS = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "IDTP", "IDFN", "IDFP")
_FIELDS = (*(f"{name}_{5 * step:02d}" for name in _CURVES for step in range(1, _ALPHAS + 1)), *_COUNTS)
_KEYS = ("source", "sequence", "class")
_WIDTH = len(_FIELDS)
_REMEDY = "delete it and run `dvc repro`"


@dataclass(frozen=True)
class Parts:
    """The sums of one source with S sequences and C classes."""

    sequences: tuple[str, ...]  # S names
    classes: tuple[str, ...]  # C names
    sums: np.ndarray  # (S, C, 83) float64, in the order of the table's columns

    @property
    def targets(self) -> np.ndarray:
        """How many boxes the ground truth has: (S, C)."""
        return self.sums[:, :, _FIELDS.index("CLR_TP")] + self.sums[:, :, _FIELDS.index("CLR_FN")]


def parts_of(results: Mapping[str, Mapping[str, dict]]) -> Parts:
    """The sums of one source from what `metrics.score_sequence` gives: sequence to class to result."""
    classes = tuple(next(iter(results.values()), {}))
    rows = [[_sums(of_class[name]) for name in classes] for of_class in results.values()]
    return Parts(tuple(results), classes, np.array(rows, np.float64).reshape(len(results), len(classes), _WIDTH))


def _sums(result: dict) -> np.ndarray:
    hota, counted = result["HOTA"], result["CLEAR"] | result["Identity"]
    curves = (hota["HOTA_TP"], hota["HOTA_FN"], hota["HOTA_FP"], hota["AssA"] * hota["HOTA_TP"])
    return np.concatenate([*curves, [counted[name] for name in _COUNTS]])


def scores_of(sums: np.ndarray) -> np.ndarray:
    """(..., 83) sums to (..., 3) HOTA (its mean over thresholds), MOTA and IDF1; NaN without ground truth."""
    curves, counts = np.split(sums, [len(_CURVES) * _ALPHAS], axis=-1)
    tp, fn, fp, association = np.moveaxis(curves.reshape(*sums.shape[:-1], len(_CURVES), _ALPHAS), -2, 0)
    found, missed, false, switches, idtp, idfn, idfp = np.moveaxis(counts, -1, 0)
    hota = np.sqrt(tp / np.maximum(1, tp + fn + fp) * (association / np.maximum(1, tp))).mean(axis=-1)
    mota = (found - false - switches) / np.maximum(1, found + missed)
    idf1 = idtp / np.maximum(1, idtp + 0.5 * idfp + 0.5 * idfn)
    return np.where((found + missed > 0)[..., None], np.stack([hota, mota, idf1], axis=-1), np.nan)


def write_parts(path: str | Path, scored: Mapping[str, Mapping[str, Mapping[str, dict]]]) -> None:
    """Write the table for source to sequence to class to result; every number exactly, in one step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_KEYS, *_FIELDS])
    for source, results in scored.items():
        parts = parts_of(results)
        for sequence, of_class in zip(parts.sequences, parts.sums.tolist(), strict=True):
            for name, sums in zip(parts.classes, of_class, strict=True):
                writer.writerow([source, sequence, name, *(int(x) if x.is_integer() else x for x in sums)])
    write_text(path, text.getvalue())


def read_parts(path: str | Path) -> dict[str, Parts]:
    """The table at ``path``, by source; raises `InputError` for a file that is missing or is no such table."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(str(path), "no such scores", "run `dvc repro` or `dvc pull`") from None
    except UnicodeDecodeError:
        raise InputError(str(path), "not a text file", _REMEDY) from None
    return parse_parts(text, str(path))


def parse_parts(text: str, where: str) -> dict[str, Parts]:
    """The table in ``text``, by source; raises `InputError` with ``where`` and the line as its place."""
    header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    if header != [*_KEYS, *_FIELDS]:
        raise InputError(f"{where}:1", "not the columns of per-sequence sums", _REMEDY)
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for line, row in enumerate(rows, 2):
        source, sequence, name = (*row[:3], "", "", "")[:3]
        table.setdefault(source, {}).setdefault(sequence, {})[name] = _numbers(row[3:], f"{where}:{line}")
    return {source: _gathered(sequences, where) for source, sequences in table.items()}


def _numbers(fields: list[str], where: str) -> list[float]:
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = []
    if len(values) != _WIDTH or not np.isfinite(values).all():
        raise InputError(where, f"not {_WIDTH} numbers", _REMEDY)
    return values


def _gathered(sequences: Mapping[str, Mapping[str, list[float]]], where: str) -> Parts:
    classes = tuple(next(iter(sequences.values())))
    for name, of_class in sequences.items():
        if tuple(of_class) != classes:
            raise InputError(where, f"sequence `{name}` has other classes than the one before it", _REMEDY)
    sums = np.array([list(of_class.values()) for of_class in sequences.values()])
    return Parts(tuple(sequences), classes, sums)
