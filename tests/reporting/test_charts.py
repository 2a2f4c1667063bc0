"""stages/reporting/charts.py: what colours and marks say."""

from __future__ import annotations

from stages.reporting import charts

CHECKPOINTS = ("a", "b", "c")


def test_a_checkpoint_keeps_its_colour_where_another_is_not_shown():
    rows = [{"checkpoint": name, "alpha": 0.5, "HOTA": 0.5} for name in ("a", "c")]
    colour = charts.alpha(rows, CHECKPOINTS)["encoding"]["color"]
    assert colour["scale"]["domain"] == ["a", "b", "c"]
    assert colour["legend"]["values"] == ["a", "c"]


def test_mistakes_stand_by_kind_and_then_by_checkpoint():
    rows = [
        {"kind": kind, "checkpoint": name, "cause": "small", "count": 1}
        for name in ("b", "a")
        for kind in ("miss", "switch")
    ]
    values = charts.causes(rows, CHECKPOINTS)["data"]["values"]
    assert [row["bar"] for row in values] == ["miss, a", "miss, b", "switch, a", "switch, b"]


def test_memory_events_and_kills_are_marked_apart_and_stages_by_name():
    rows = [{"stage": "a", "minutes": 1.0, "series": "loss", "value": 1.0}]
    events = [{"stage": "a", "minutes": 0.5, "kind": kind, "said": "x"} for kind in ("memory", "resume")]
    starts = [{"stage": "a", "minutes": 0.0}, {"stage": "b", "minutes": 2.0}]
    layers = charts.over_time(rows, events, starts, "loss", 3.0)["layer"]
    rules = [layer for layer in layers if layer["mark"]["type"] == "rule"]
    assert [(len(of["data"]["values"]), of["mark"].get("color")) for of in rules] == [
        (1, None),  # where b begins
        (1, charts.MEMORY),
        (1, charts.RESUME),
    ]
    [names] = [layer for layer in layers if layer["mark"]["type"] == "text"]
    assert [(row["stage"], row["until"]) for row in names["data"]["values"]] == [("a", 2.0), ("b", 3.0)]


def test_an_unknown_score_is_a_cell_of_its_own_colour():
    cell = charts.heatmap([{"checkpoint": "a", "source": "s", "HOTA": None, "label": "n/a", "said": ""}])["layer"][0]
    assert cell["encoding"]["color"]["condition"] == {"test": "datum.HOTA === null", "value": "#C8C8C8"}
