"""docs/metrics.md: its names are the code's, and its formulas give what scoring gives."""

from __future__ import annotations

import math
import re
from typing import get_args

import numpy as np
import pytest

from stages.params.scoring import Protocol
from stages.scoring import bootstrap, mistakes
from stages.scoring.detection import FIELDS as DETECTION_FIELDS
from stages.scoring.metrics import FIELDS, curves, pooled, scalars, score_sequence
from stages.scoring.protocols import rules_of
from tests.docs.pages import cells, names
from tests.footage import ROOT
from tests.scoring_cases import LENGTH, as_tracks, make

PAGE = ROOT / "docs/metrics.md"
TEXT = PAGE.read_text()


def _section(title: str) -> list[list[str]]:
    """The rows of the tables in one section, without headings."""
    begin = TEXT.index(f"## {title}\n")
    end = TEXT.find("\n## ", begin + 1)
    lines = set(TEXT[begin : end if end > 0 else None].splitlines())
    rows = [row for row in cells(PAGE) if any(line.startswith(f"| {row[0]} |") for line in lines)]
    return [row for row in rows if names(row[0]) and len(row) >= 2]


TRACKING = {names(row[0])[0]: row[1] for row in _section("Tracking")}
FORMULAS = {field: names(text)[0] for field, text in TRACKING.items() if text.startswith("`")}


@pytest.fixture(scope="module")
def scored() -> dict[str, dict]:
    """Made-up tracks with every kind of mistake, scored: class to result."""
    case = make(np.random.default_rng(3), [1, 3], [], {1: 1, 3: 3})
    purposes = np.where(case.gt[:, 7] == 1, 0, 1)
    return score_sequence(case.gt, purposes, as_tracks(case.tracks, {1: 0, 3: 1}), LENGTH, ["a", "b"], "case")


def test_every_field_is_explained_and_no_other():
    assert set(TRACKING) == set(FIELDS)
    assert [names(row[0])[0] for row in _section("Detection")] == list(DETECTION_FIELDS)
    causes = [names(row[0])[0] for row in _section("Mistakes and their causes")]
    assert causes == list(mistakes.CAUSES)


@pytest.mark.parametrize("field", FORMULAS)
def test_a_formula_gives_what_scoring_gives(field: str, scored: dict[str, dict]):
    for result in (*scored.values(), pooled(scored)):
        values = scalars(result)
        assert values["IDSW"] > 1 and values["FP"] and values["FN"] and values["MT"] and values["Frag"]
        assert _computed(FORMULAS[field], values) == pytest.approx(values[field], abs=2e-6)


def _computed(formula: str, values: dict[str, float]) -> float:
    """A formula's value; fields with a bracket in their name are written out."""
    for name in sorted(values, key=len, reverse=True):
        if not name.isidentifier():
            formula = formula.replace(name, repr(values[name]))
    return eval(formula, {"__builtins__": {}, "log10": math.log10}, values)


def test_there_are_formulas_of_most_shares():
    assert len(FORMULAS) >= 19 and {"MOTA", "IDF1", "sMOTA", "HOTALocA(0)"} <= set(FORMULAS)


def test_hota_is_the_root_at_every_threshold(scored: dict[str, dict]):
    points = curves(pooled(scored))
    assert len(points) == 19 and (points[0]["alpha"], points[-1]["alpha"]) == (0.05, 0.95)
    for point in points:
        assert point["HOTA"] == pytest.approx(math.sqrt(point["DetA"] * point["AssA"]), abs=2e-6)
    values = scalars(pooled(scored))
    assert values["HOTA"] == pytest.approx(sum(point["HOTA"] for point in points) / 19, abs=2e-6)
    assert values["HOTA(0)"] == points[0]["HOTA"]


def test_thresholds_are_the_codes():
    rows = {names(row[0])[0]: row[1] for row in _section("Mistakes and their causes")}
    limits = {
        "occluded": mistakes._OCCLUDED,
        "small": mistakes._SMALL,
        "crowded": mistakes._CROWDED,
        "border": mistakes._BORDER,
        "gap": mistakes._GAP_SECONDS,
    }
    assert {cause: float(re.search(r"\d+\.\d+", rows[cause])[0]) for cause in limits} == limits
    assert f"{bootstrap.RESAMPLES:,} times" in TEXT and f"fewer than {bootstrap.FEWEST} sequences" in TEXT
    assert f"A {bootstrap.LEVEL * 100:g} % interval" in TEXT
    protocols = get_args(Protocol.model_fields["name"].annotation)
    assert [name for name in protocols if rules_of(Protocol(name=name)).mostly_from] == ["bdd100k"]
