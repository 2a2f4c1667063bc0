"""The same chart of two runs on one page has the same axes, so that lengths, heights and slopes compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from stages.reporting.blocks import Chart, Section
from stages.reporting.charts import Row, Spec


def share_axes(*pages: list[Section]) -> None:
    """Let charts in the same place of ``pages`` reach as far as the one that reaches farthest, in place.

    Scores are left alone: their axes are 0 to 1 everywhere.
    """
    places: dict[tuple[str, str, str], list[Spec]] = defaultdict(list)
    for section in (section for page in pages for section in page):
        for chart in (block for block in section.blocks if isinstance(block, Chart)):
            for subtitle, spec in chart.specs:
                places[section.anchor, chart.title, subtitle].append(spec)
    for specs in places.values():
        for channel in ("x", "y"):
            _share(specs, channel)


def _share(specs: list[Spec], channel: str) -> None:
    axes = [axis for spec in specs for axis in _axes(spec, channel)]
    reached = [0.0, *(value for encoding, rows in axes for value in _reached(encoding, rows, channel))]
    for encoding, _ in axes:
        known = encoding[channel].get("scale", {"nice": True})
        encoding[channel] = encoding[channel] | {"scale": known | {"domain": [min(reached), max(reached)]}}


def _axes(spec: Spec, channel: str) -> Iterator[tuple[Spec, list[Row]]]:
    """Each encoding that puts numbers on the axis, with the rows that it is of; scores, whose scale is clamped, not."""
    for part in (spec, *spec.get("layer", ())):
        axis = part.get("encoding", {}).get(channel, {})
        if axis.get("type") == "quantitative" and not axis.get("scale", {}).get("clamp"):
            yield part["encoding"], part.get("data", spec["data"])["values"]


def _reached(encoding: Spec, rows: list[Row], channel: str) -> Iterator[float]:
    """How far an encoding reaches: its numbers, what stacked ones add up to, and the ends that it was given."""
    axis = encoding[channel]
    yield from axis.get("scale", {}).get("domain", ())
    if "stack" in axis:
        across = encoding["y" if channel == "x" else "x"]["field"]
        sums: dict[object, float] = defaultdict(float)
        for row in rows:
            sums[row[across]] += row[axis["field"]] or 0
        yield from sums.values()
        return
    for field in (axis["field"], encoding.get(f"{channel}2", axis)["field"]):
        yield from (row[field] for row in rows if row.get(field) is not None)
