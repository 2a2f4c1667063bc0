"""The report's charts as Vega-Lite specs over rows of plots/*.csv.

Colours come from the page's theme (`range.category`). A checkpoint has one colour on the whole page, by its place among
``checkpoints``, all that the page shows. Lines differ in their dashes too and gains in their shapes; elsewhere what a
colour says is also in the tooltip, the table beside and the CSV. Scores have the axis 0 to 1 on every page; what else
two runs on one page have in common is axes.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

Row = dict[str, object]
Spec = dict[str, object]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SCORE = {"domain": [0, 1], "clamp": True}
_MOST_DOTS = 600  # of a checkpoint that are drawn one by one
_LONG = 12  # letters, from which on labels below a chart are slanted, so that none covers its neighbour
_BLACK_ABOVE = 0.465  # of cividis: from here on black is easier to read on it than white
MEMORY, RESUME = "#D55E00", "#7F7F7F"  # lines that mark these events, see `over_time`


def heatmap(rows: list[Row]) -> Spec:
    """Checkpoints (rows) on sources (columns): `checkpoint`, `source`, `HOTA`, `label`, `said`."""
    place = {"x": _across("source", "tested on source", rows), "y": _nominal("checkpoint", None)}
    bright = f"datum.HOTA > {_BLACK_ABOVE} || datum.HOTA === null"
    ink = {"condition": {"test": bright, "value": "black"}, "value": "white"}
    cell = {"field": "HOTA", "type": "quantitative", "scale": {"scheme": "cividis", "domain": [0, 1]}, "title": "HOTA"}
    cell["condition"] = {"test": "datum.HOTA === null", "value": "#C8C8C8"}
    layers = [
        {"mark": {"type": "rect", "stroke": "white", "strokeWidth": 3, "invalid": None}, "encoding": {"color": cell}},
        _words("label", 15, -6, ink),
        _words("said", 11, 12, ink),
    ]
    height = 70 * len({row["checkpoint"] for row in rows})
    return _spec(
        rows, height, layer=layers, encoding=place | {"tooltip": _tips("checkpoint", "source", "HOTA", "said")}
    )


def _words(field: str, size: int, below: int, ink: Spec) -> Spec:
    return {
        "mark": {"type": "text", "fontSize": size, "dy": below},
        "encoding": {"text": {"field": field}, "color": ink},
    }


def gains(rows: list[Row]) -> Spec:
    """What stages gained on sources: `checkpoint`, `source`, `value`, `low`, `high`."""
    y = {"y": _nominal("checkpoint", None), "yOffset": {"field": "source", "sort": None}}
    colour = {"color": _nominal("source", "source")}
    interval = {
        "transform": [{"filter": "datum.low !== null"}],
        "mark": {"type": "rule", "strokeWidth": 3},
        "encoding": y | {"x": _number("low", "HOTA minus the parent's"), "x2": {"field": "high"}},
    }
    dot = {
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
        "encoding": y
        | colour
        | {"x": _number("value", "HOTA minus the parent's"), "shape": _nominal("source", "source")}
        | {"tooltip": _tips("checkpoint", "parent", "source", "before", "after", "value", "low", "high")},
    }
    zero = {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule"}, "encoding": {"x": {"field": "zero"}}}
    zero["encoding"]["x"]["type"] = "quantitative"
    height = max(90, 34 * len(rows))
    return _spec(rows, height, layer=[zero, interval, dot])


def over_time(rows: list[Row], events: list[Row], starts: list[Row], label: str, end: float) -> Spec:
    """Lines over minutes of training: `minutes`, `value`, `series`, `stage`; rules at `events`. ``end`` in minutes.

    ``starts`` has `stage` and `minutes` of where each stage begins, which is marked with its name.
    """
    x = {"field": "minutes", "type": "quantitative", "title": "minutes of training", "scale": {"domain": [0, end]}}
    several = {} if len({row["series"] for row in rows}) > 1 else {"legend": None}
    lines = {
        "mark": {"type": "line", "point": len(rows) < 60, "interpolate": "linear"},
        "encoding": {
            "x": x,
            "y": _number("value", label) | {"axis": {"minExtent": 46}},
            "color": _nominal("series", None) | several,
            "strokeDash": _nominal("series", None) | several,
            "detail": {"field": "stage"},
            "tooltip": _tips("stage", "series", "minutes", "value"),
        },
    }
    ends = [*(row["minutes"] for row in starts[1:]), end]
    stages = [row | {"until": until} for row, until in zip(starts, ends, strict=True)]
    layers = [lines, *_stage_marks(stages, x), *_event_marks(events, x)]
    return _spec(rows, 130, layer=layers)


def _stage_marks(starts: list[Row], x: Spec) -> list[Spec]:
    """A thin line where each stage but the first begins, and the stages' names, cut off where the next begins."""
    lines = {
        "data": {"values": starts[1:]},
        "mark": {"type": "rule", "strokeWidth": 1, "opacity": 0.5},
        "encoding": {"x": x},
    }
    name = {"type": "text", "align": "left", "baseline": "bottom", "dx": 3, "dy": -2, "fontSize": 11}
    name["limit"] = {"expr": "max(1, scale('x', datum.until) - scale('x', datum.minutes) - 6)"}
    names = {"data": {"values": starts}, "mark": name, "encoding": {"x": x, "y": {"value": 0}}}
    names["encoding"]["text"] = {"field": "stage"}
    return [*([lines] if starts[1:] else []), names]


def _event_marks(events: list[Row], x: Spec) -> list[Spec]:
    """Memory that ran out: orange dashes; kills: grey dots."""
    marks = []
    for kind, colour, dash in (("memory", MEMORY, [6, 3]), ("resume", RESUME, [2, 3])):
        of = [event for event in events if event["kind"] == kind]
        mark = {"type": "rule", "color": colour, "strokeDash": dash, "strokeWidth": 2}
        encoding = {"x": x, "tooltip": _tips("kind", "stage", "said", "minutes")}
        marks += [{"data": {"values": of}, "mark": mark, "encoding": encoding}] if of else []
    return marks


def alpha(rows: list[Row], checkpoints: Sequence[str]) -> Spec:
    """HOTA over the IoU threshold alpha: `alpha`, `HOTA`, `checkpoint`."""
    return _spec(
        rows,
        240,
        mark={"type": "line", "strokeWidth": 2},
        encoding={
            "x": _number("alpha", "alpha (IoU that a match needs)", {"domain": [0, 1]}),
            "y": _number("HOTA", "HOTA", _SCORE),
            "color": _lasting(checkpoints, rows),
            "strokeDash": _lasting(checkpoints, rows),
            "tooltip": _tips("checkpoint", "alpha", "HOTA", "DetA", "AssA"),
        },
    )


def association(rows: list[Row], checkpoints: Sequence[str]) -> Spec:
    """DetA against AssA: `DetA`, `AssA`, `checkpoint`, `tracker`."""
    return _spec(
        rows,
        260,
        mark={"type": "point", "filled": True, "size": 110, "opacity": 0.9},
        encoding={
            "x": _number("DetA", "DetA", _SCORE),
            "y": _number("AssA", "AssA", _SCORE),
            "color": _lasting(checkpoints, rows),
            "shape": _nominal("tracker", None),
            "tooltip": _tips("checkpoint", "tracker", "HOTA", "DetA", "AssA"),
        },
    )


def sequences(rows: list[Row], checkpoints: Sequence[str]) -> Spec:
    """HOTA of every sequence by checkpoint: `checkpoint`, `sequence`, `HOTA`; boxes where there are too many dots."""
    names = [name for name in checkpoints if any(row["checkpoint"] == name for row in rows)]
    count = max((sum(row["checkpoint"] == name for row in rows) for name in names), default=0)
    place = {"y": _nominal("checkpoint", None), "x": _number("HOTA", "HOTA", _SCORE)}
    height = 60 * len(names) + 20
    if count > _MOST_DOTS:
        return _quartiles(rows, place, height)
    dots = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.75},
        "encoding": place
        | {"yOffset": _number("offset", None, {"domain": [-2, 2]})}
        | {"color": _lasting(checkpoints, rows) | {"legend": None}}
        | {"tooltip": _tips("sequence", "checkpoint", "HOTA", "MOTA", "IDF1")},
    }
    # One beside the other, by a golden step that leaves no two neighbours on one another.
    placed = [row | {"offset": round((i * 0.618034) % 1 * 2 - 1, 3)} for i, row in enumerate(rows)]
    median = {"mark": {"type": "tick", "thickness": 2, "height": 34, "color": "gray"}, "encoding": {}}
    median["encoding"] = place | {"x": place["x"] | {"aggregate": "median"}}
    return _spec(placed, height, layer=[dots, median])


def _quartiles(rows: list[Row], place: Spec, height: int) -> Spec:
    """5th to 95th percentile as a line, quartiles as a bar, the median as a tick."""
    summed = []
    for name in dict.fromkeys(row["checkpoint"] for row in rows):
        values = sorted(row["HOTA"] for row in rows if row["checkpoint"] == name and row["HOTA"] is not None)
        points = {f"p{p}": values[min(len(values) - 1, p * len(values) // 100)] for p in (5, 25, 50, 75, 95) if values}
        summed.append({"checkpoint": name, "sequences": len(values)} | points)
    tips = {"tooltip": _tips("checkpoint", "sequences", "p5", "p25", "p50", "p75", "p95")}

    def layer(mark: Spec, low: str, high: str | None = None) -> Spec:
        ends = {"x": _number(low, "HOTA", _SCORE)} | ({"x2": {"field": high}} if high else {})
        return {"mark": mark, "encoding": {"y": place["y"]} | ends | tips}

    bars = [
        layer({"type": "rule"}, "p5", "p95"),
        layer({"type": "bar", "height": 30}, "p25", "p75"),
        layer({"type": "tick", "height": 30, "thickness": 2, "color": "white"}, "p50"),
    ]
    return _spec(summed, height, layer=bars)


def causes(rows: list[Row], checkpoints: Sequence[str]) -> Spec:
    """Mistakes by kind and checkpoint, stacked by cause: `kind`, `checkpoint`, `cause`, `count`."""
    order, kinds = (list(dict.fromkeys(row[name] for row in rows)) for name in ("cause", "kind"))
    rows = sorted(rows, key=lambda row: (kinds.index(row["kind"]), checkpoints.index(row["checkpoint"])))
    bars = [row | {"bar": f"{row['kind']}, {row['checkpoint']}", "order": order.index(row["cause"])} for row in rows]
    return _spec(
        bars,
        max(120, 22 * len({row["bar"] for row in bars})),
        mark="bar",
        encoding={
            "x": _number("count", "mistakes") | {"stack": "zero"},
            "y": _nominal("bar", None),
            "order": {"field": "order", "type": "quantitative"},
            "color": _nominal("cause", None),
            "tooltip": _tips("checkpoint", "kind", "cause", "count"),
        },
    )


def mixtures(rows: list[Row]) -> Spec:
    """Training boxes by stage and class, stacked by source: `stage`, `class`, `source`, `boxes`."""
    order = list(dict.fromkeys(row["source"] for row in rows))
    bars = [row | {"bar": f"{row['stage']}, {row['class']}", "order": order.index(row["source"])} for row in rows]
    return _spec(
        bars,
        max(100, 26 * len({row["bar"] for row in bars})),
        mark="bar",
        encoding={
            "x": _number("boxes", "boxes") | {"stack": "zero"},
            "y": _nominal("bar", None),
            "order": {"field": "order", "type": "quantitative"},
            "color": _nominal("source", None),
            "tooltip": _tips("stage", "class", "source", "boxes", "frames", "seconds"),
        },
    )


def times(rows: list[Row]) -> Spec:
    """Seconds by stage of the pipeline: `stage`, `seconds`."""
    return _spec(
        rows,
        18 * max(3, len(rows)),
        mark="bar",
        encoding={
            "x": _number("seconds", "seconds"),
            "y": _nominal("stage", None),
            "tooltip": _tips("stage", "seconds", "peak_memory_mb"),
        },
    )


def _spec(rows: Sequence[Row], height: int, **parts: object) -> Spec:
    fit = {"type": "fit-x", "contains": "padding"}
    return {
        "$schema": _SCHEMA,
        "data": {"values": list(rows)},
        "width": "container",
        "height": height,
        "autosize": fit,
    } | parts


def _nominal(field: str, title: str | None) -> Spec:
    return {"field": field, "type": "nominal", "title": title, "sort": None}


def _across(field: str, title: str | None, rows: list[Row]) -> Spec:
    """Names along the lower edge, slanted where they are long or many."""
    names = {str(row[field]) for row in rows}
    slanted = sum(map(len, names)) > 2 * _LONG or len(names) > 4
    return _nominal(field, title) | ({"axis": {"labelAngle": -35}} if slanted else {})


def _lasting(checkpoints: Sequence[str], rows: list[Row]) -> Spec:
    """A checkpoint's colour or dash, wherever it stands; the legend names those that are shown."""
    shown = [name for name in checkpoints if any(row["checkpoint"] == name for row in rows)]
    domain = {"scale": {"domain": list(checkpoints)}, "legend": {"values": shown}}
    return _nominal("checkpoint", None) | domain


def _number(field: str, title: str | None, scale: Spec | None = None) -> Spec:
    return {"field": field, "type": "quantitative", "title": title} | ({"scale": scale} if scale else {})


def _tips(*fields: str) -> list[Spec]:
    return [{"field": field} for field in fields]
