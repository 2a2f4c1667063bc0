"""Statistics of a view: counts, histograms with their bins, positions, and a summary in quantiles, as plain rows.

All but the counts is of targets, what is to be found. Bins are round numbers that follow from the data's range alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages.exploring.views import View
from stages.sequences.annotations import DISTRACTOR, DROP, REGION

ROLES = {DISTRACTOR: "distractor", REGION: "region", DROP: "drop"}
GRID = 32  # cells of the heatmap along the frame's width; its height has as many as make them square
_TAIL = 0.5  # per cent of the values that may lie behind a histogram's end
_MOST_BINS = 30
_QUANTILES = {"p5": 5, "median": 50, "p95": 95}

STATISTICS_COLUMNS = ("panel", "unit", "class", "native", "part", "low", "high", "count")
POSITIONS_COLUMNS = ("class", "x", "y", "count")
SUMMARY_COLUMNS = ("quantity", "unit", "class", "part", "count", "mean", *_QUANTILES)

Row = dict[str, object]
Counts = dict[tuple[str, str], np.ndarray]


# --- bins


def octaves(values: np.ndarray) -> np.ndarray:
    """Bins of a quarter of an octave; the ends are whole octaves around all but the tails."""
    low, high = np.log2(np.percentile(values, [_TAIL, 100 - _TAIL]))
    low = np.floor(low + 1e-9)
    return 2.0 ** np.arange(low, max(np.ceil(high - 1e-9), low + 1) + 0.125, 0.25)


def tenths(_: np.ndarray) -> np.ndarray:
    """Ten bins from 0 to 1."""
    return np.linspace(0, 1, 11)


def linear(values: np.ndarray) -> np.ndarray:
    """At most 30 bins of a round width (1, 2 or 5 times a power of ten) from 0 to all but the upper tail."""
    high = float(np.percentile(values, 100 - 2 * _TAIL)) or 1.0
    power = 10.0 ** np.floor(np.log10(high / _MOST_BINS))
    width = power * next(step for step in (1, 2, 5, 10) if step * power * _MOST_BINS >= high * (1 - 1e-9))
    return np.arange(int(np.ceil(high / width - 1e-9)) + 1) * width


def whole(values: np.ndarray) -> np.ndarray:
    """Bins around whole numbers from 0 to the greatest, at most about 30, each as many numbers wide."""
    most = int(values.max(initial=1))
    width = -(-(most + 1) // _MOST_BINS)
    return np.arange(-0.5, most + width + 0.5, width)


# --- what is measured


@dataclass(frozen=True)
class Quantity:
    """Something measured of boxes, tracks or frames, and how its histogram is cut."""

    key: str
    title: str
    unit: str
    of: str
    bins: Callable[[np.ndarray], np.ndarray]
    logarithmic: bool = False


PER_FRAME = Quantity("boxes_per_frame", "boxes per frame", "boxes", "frames", whole)
SIZE = Quantity("size", "box size", "square root of area, pixels", "boxes", octaves, True)
ASPECT = Quantity("aspect", "box shape", "width / height", "boxes", octaves, True)
VISIBILITY = Quantity("visibility", "occlusion", "visible share of the object", "boxes", tenths)
SPEED = Quantity("speed", "speed", "box widths per second", "boxes", linear)
LENGTH = Quantity("track_length", "track length", "seconds", "tracks", linear)
QUANTITIES = (PER_FRAME, SIZE, ASPECT, VISIBILITY, SPEED, LENGTH)


@dataclass(frozen=True)
class Values:
    """The values of a quantity with the class and the part of each, (N,) all three."""

    values: np.ndarray
    purpose: np.ndarray
    part: np.ndarray

    def chosen(self, keep: np.ndarray) -> Values:
        """Those to ``keep``, (N,) bool."""
        return Values(self.values[keep], self.purpose[keep], self.part[keep])


def values_of(view: View, quantity: Quantity) -> Values:
    """What there is of ``quantity`` in targets; what is unknown is left out."""
    boxes, tracks = view.boxes, view.tracks
    if quantity is PER_FRAME:
        return _per_frame(view)
    if quantity is LENGTH:
        return Values(tracks.seconds, tracks.purpose, tracks.part)
    found = Values(getattr(boxes, quantity.key), boxes.purpose, boxes.part)
    with np.errstate(invalid="ignore"):
        known = found.values > 0 if quantity.logarithmic else found.values >= 0  # NaN, and visibility -1, are unknown
    return found.chosen((boxes.purpose >= 0) & known)


def _per_frame(view: View) -> Values:
    """How many boxes of each class every frame shows: (frames * classes,)."""
    boxes, frames, classes = view.boxes, len(view.frame_part), len(view.classes)
    target = boxes.purpose >= 0
    found = np.bincount(boxes.frame[target] * classes + boxes.purpose[target], minlength=frames * classes)
    return Values(found, np.tile(np.arange(classes), frames), np.repeat(view.frame_part, classes))


# --- histograms


@dataclass(frozen=True)
class Histogram:
    """Counts in bins: ``edges`` (bins + 1,), and ``counts[class, part]`` (bins,) int.

    Values beyond the edges are counted in the first and the last bin; ``above`` says how many. ``empty`` says why
    there is nothing to count.
    """

    quantity: Quantity
    edges: np.ndarray
    counts: Counts
    above: int = 0
    empty: str = ""

    def of_class(self, name: str, part: str | None = None) -> np.ndarray:
        """The counts of a class in one part, or in all of them, (bins,)."""
        found = [count for (label, place), count in self.counts.items() if label == name and part in (None, place)]
        return np.sum(found, axis=0)


def histograms(view: View) -> list[Histogram]:
    """One for each of `QUANTITIES`."""
    return [_histogram(view, quantity, values_of(view, quantity)) for quantity in QUANTITIES]


def _histogram(view: View, quantity: Quantity, found: Values) -> Histogram:
    empty = _nothing(view, quantity, found.values)
    edges = np.array([0.0, 1.0]) if empty else quantity.bins(found.values)
    inside = np.clip(found.values, edges[0], edges[-1])
    counts = {}
    for number, name in enumerate(view.classes):
        for place, part in enumerate(view.parts):
            here = (found.purpose == number) & (found.part == place)
            counts[name, part] = np.zeros(1, int) if empty else np.histogram(inside[here], edges)[0]
    return Histogram(quantity, edges, counts, int((found.values > edges[-1]).sum()), empty)


def _nothing(view: View, quantity: Quantity, values: np.ndarray) -> str:
    """Why there is nothing to count of a quantity; empty where there is."""
    if quantity in (SPEED, LENGTH) and all(item.info.length == 1 for item in view.shown):
        return "single images:\nnothing moves"
    if not len(values):
        return f"no {quantity.of} to measure"
    if quantity is VISIBILITY and values.min() == values.max():
        return "the source does not say\nwhat is occluded"
    return ""


# --- tables


def class_counts(view: View) -> list[Row]:
    """Boxes by what they are for, the source's own class and part; a class without any stands there with 0."""
    boxes, rows = view.boxes, []
    for purpose, name in _names(view).items():
        for place, part in enumerate(view.parts):
            here = (boxes.purpose == purpose) & (boxes.part == place)
            counts = np.bincount(boxes.native[here], minlength=len(view.natives))
            found = [(native, int(count)) for native, count in zip(view.natives, counts, strict=True) if count]
            found = found or ([("", 0)] if purpose >= 0 else [])
            rows += [{"class": name, "native": native, "part": part, "count": count} for native, count in found]
    return rows


def statistics_table(view: View, found: list[Histogram]) -> list[Row]:
    """Everything that the panels show, one bar or bin to a row; see `STATISTICS_COLUMNS`."""
    rows = [{"panel": "classes", "unit": "boxes", **row} for row in class_counts(view)]
    for histogram in found:
        head = {"panel": histogram.quantity.key, "unit": histogram.quantity.unit}
        edges = [float(f"{edge:.6g}") for edge in histogram.edges]
        for (name, part), counts in histogram.counts.items():
            bins = [] if histogram.empty else zip(edges[:-1], edges[1:], counts, strict=True)
            rows += [
                {**head, "class": name, "part": part, "low": low, "high": high, "count": int(count)}
                for low, high, count in bins
            ]
    return rows


def positions(view: View) -> dict[str, np.ndarray]:
    """Box centres of every class on a grid over the frame, (rows, columns) int each, most boxes first.

    Centres that lie outside the frame count at its edge.
    """
    boxes = view.boxes
    columns, rows = GRID, max(1, round(GRID * view.shape()))
    x, y = (np.clip(boxes.centre[:, i] * n, 0, n - 1).astype(int) for i, n in enumerate((columns, rows)))
    grids = {}
    for number, name in enumerate(view.classes):
        here = boxes.purpose == number
        cells = np.bincount(y[here] * columns + x[here], minlength=rows * columns)
        grids[name] = cells.reshape(rows, columns)
    return dict(sorted(grids.items(), key=lambda item: -item[1].sum()))


def positions_table(grids: dict[str, np.ndarray]) -> list[Row]:
    """Every cell that holds a centre: x and y of its middle as shares of the frame; see `POSITIONS_COLUMNS`."""
    table = []
    for name, grid in grids.items():
        for row, column in zip(*np.nonzero(grid), strict=True):
            x, y = (
                round((place + 0.5) / count, 4) for place, count in zip((column, row), grid.shape[::-1], strict=True)
            )
            table.append({"class": name, "x": x, "y": y, "count": int(grid[row, column])})
    return table


def summary_table(view: View) -> list[Row]:
    """What the view holds, then count, mean and quantiles of every quantity by class; see `SUMMARY_COLUMNS`."""
    rows: list[Row] = []
    for place, part in enumerate(view.parts):
        here = [item for item in view.shown if item.part == place]
        seconds = sum(len(item.frames) / item.info.fps for item in here)
        totals = (("sequences", "", len(here)), ("frames", "", sum(len(item.frames) for item in here)))
        totals += (("duration", "seconds", round(seconds, 3)),) if view.kind == "source" else ()
        rows += [{"quantity": name, "unit": unit, "part": part, "count": count} for name, unit, count in totals]
    for number, name in enumerate(view.classes):
        of = view.tracks.purpose == number
        rows.append({"quantity": "tracks", "class": name, "count": int(of.sum())})
        rows.append({"quantity": "tracks with gaps", "class": name, "count": int(view.tracks.gaps[of].sum())})
    for quantity in QUANTITIES:
        found = values_of(view, quantity)
        rows += [_summary(quantity, name, found.values[found.purpose == n]) for n, name in enumerate(view.classes)]
    return rows


def _summary(quantity: Quantity, name: str, values: np.ndarray) -> Row:
    row: Row = {"quantity": quantity.title, "unit": quantity.unit, "class": name, "count": len(values)}
    if len(values):
        row["mean"] = float(values.mean())
        row |= {key: float(np.percentile(values, share)) for key, share in _QUANTILES.items()}
    return row


def counts_by_part(view: View) -> dict[str, list[int]]:
    """Boxes in every part, of every class and of the roles that there are."""
    boxes, places = view.boxes, len(view.parts)
    table = {
        name: np.bincount(boxes.part[boxes.purpose == purpose], minlength=places).tolist()
        for purpose, name in _names(view).items()
    }
    return {name: counts for name, counts in table.items() if name in view.classes or any(counts)}


def _names(view: View) -> dict[int, str]:
    return {**dict(enumerate(view.classes)), **ROLES}
