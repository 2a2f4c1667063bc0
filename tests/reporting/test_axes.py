"""stages/reporting/axes.py: charts of two runs reach equally far."""

from __future__ import annotations

from stages.reporting import charts
from stages.reporting.axes import share_axes
from stages.reporting.blocks import Chart, Note, Section


def _page(*specs: dict, anchor: str = "training") -> list[Section]:
    chart = Chart("Training over time", "", [(str(number), spec) for number, spec in enumerate(specs)], "name")
    return [Section(anchor, "Training", [Note("a word before"), chart])]


def _over_time(end: float, *values: float | None) -> dict:
    rows = [{"stage": "a", "minutes": end, "series": "loss", "value": value} for value in values]
    event = {"stage": "a", "minutes": end / 2, "kind": "memory", "said": "x"}
    return charts.over_time(rows, [event], [{"stage": "a", "minutes": 0.0}], "loss", end)


def _domains(spec: dict, channel: str) -> list[list[float] | None]:
    parts = [part["encoding"][channel] for part in spec.get("layer", [spec]) if channel in part["encoding"]]
    return [part.get("scale", {}).get("domain") for part in parts if part.get("type") == "quantitative"]


def test_time_and_values_reach_as_far_as_the_longer_and_higher_of_two():
    first, second = _over_time(2.0, 0.5, None, 7.0), _over_time(5.0, 3.0)
    share_axes(_page(first), _page(second))
    for spec in (first, second):
        assert _domains(spec, "x") == [[0, 5.0]] * 3  # the lines, the stage's name, the memory event
        assert _domains(spec, "y") == [[0.0, 7.0]]
        assert "nice" not in spec["layer"][0]["encoding"]["x"]["scale"]  # the lines end where training does
        assert spec["layer"][0]["encoding"]["y"]["axis"] == {"minExtent": 46}  # the rest is as it was


def test_stacked_bars_reach_as_far_as_they_add_up():
    def bars(*counts: int) -> dict:
        rows = [{"kind": "miss", "checkpoint": "a", "cause": str(i), "count": count} for i, count in enumerate(counts)]
        return charts.causes([*rows, {"kind": "switch", "checkpoint": "a", "cause": "0", "count": 8}], ["a"])

    first, second = bars(5, 6), bars(1)
    share_axes(_page(first), _page(second))
    assert _domains(first, "x") == _domains(second, "x") == [[0.0, 11.0]]
    assert first["encoding"]["x"]["stack"] == "zero"


def test_gains_reach_as_far_as_their_intervals_on_both_sides():
    def gain(value: float, low: float | None, high: float | None) -> dict:
        return charts.gains([{"checkpoint": "a", "source": "s", "value": value, "low": low, "high": high}])

    first, second = gain(0.1, -0.05, 0.3), gain(-0.2, None, None)
    share_axes(_page(first), _page(second))
    assert _domains(first, "x") == _domains(second, "x") == [[-0.2, 0.3]] * 3


def test_scores_and_charts_of_other_places_are_left_alone():
    rows = [{"checkpoint": "a", "alpha": 0.5, "HOTA": 0.5, "DetA": 0.5, "AssA": 0.5}]
    alpha, alone, other = charts.alpha(rows, ["a"]), _over_time(2.0, 1.0), _over_time(5.0, 3.0)
    share_axes(_page(alpha), [*_page(charts.alpha(rows, ["a"])), *_page(alone, anchor="x"), *_page(other, anchor="y")])
    assert _domains(alpha, "y") == [[0, 1]]
    assert (_domains(alone, "x")[0], _domains(other, "x")[0]) == ([0, 2.0], [0, 5.0])


def test_a_chart_without_numbers_has_the_axis_of_the_other():
    empty, full = _over_time(1.0), _over_time(1.0, 4.0)
    share_axes(_page(empty), _page(full))
    assert _domains(empty, "y") == [[0.0, 4.0]]
