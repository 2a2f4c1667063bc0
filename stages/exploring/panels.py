"""The figures of a view's statistics: eight panels on a page, and the heatmaps of positions, as pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from stages.exploring.colours import class_colour, lighter
from stages.exploring.statistics import ASPECT, PER_FRAME, ROLES, SIZE, VISIBILITY, Histogram, counts_by_part
from stages.exploring.views import View
from stages.style import LINES, quiet_grid, settings

WIDTH = 1300  # pixels of every picture
_DPI = 100
_GREY = to_rgb("#999999")
_MOST_LINES, _MOST_FILLED = 6, 4  # in a panel
_MOST_BARS = 12
_MOST_MAPS = 4
_MOST_SHADES = 5
_NAMES, _LONGEST = 112, 15  # room for classes' names, in pixels and in letters
_COCO = ((32, "small"), (96, "medium"))  # pixels: where COCO's small and medium objects end
_SMALL = {
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "legend.fontsize": 8.5, "legend.handlelength": 1.8,
}  # fmt: skip


def draw_statistics(view: View, found: list[Histogram]) -> np.ndarray:
    """Class counts, the six histograms and the key, (H, W, 3) uint8 red-green-blue."""
    with settings(_SMALL):
        figure, grid = _page(2, 4, 600)
        _bars(grid[0, 0], view)
        lines = _lines(view)
        for axes, histogram in zip(grid.flat[1:7], found, strict=True):
            _draw_histogram(axes, histogram, lines)
        _key(grid[1, 3], view, lines)
        return _pixels(figure)


def draw_positions(view: View, grids: dict[str, np.ndarray]) -> np.ndarray:
    """Where box centres lie in the frame, as `draw_statistics`: heatmaps of all, and of the most numerous classes."""
    filled = {name: grid for name, grid in grids.items() if grid.any()} or dict(list(grids.items())[:1])
    everything = {"all classes": sum(filled.values())} if len(filled) > 1 else {}
    chosen = list((everything | filled).items())[:_MOST_MAPS]
    with settings(_SMALL):
        columns = max(3, len(chosen))
        height = min((WIDTH / columns - 80) * view.shape(), 420) + 78
        figure, row = _page(1, columns, round(height))
        for axes in row[0, len(chosen) :]:
            axes.set_axis_off()
        for axes, (name, grid) in zip(row[0], chosen, strict=False):
            _heatmap(axes, name, grid, view.shape())
        return _pixels(figure)


def _page(rows: int, columns: int, height: int) -> tuple[Figure, np.ndarray]:
    """A figure `WIDTH` pixels wide and its (rows, columns) axes, with fixed margins: laying out costs time."""
    figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(62 / WIDTH, 48 / height, 1 - 20 / WIDTH, 1 - 30 / height, wspace=0.34, hspace=0.42)
    return figure, grid


def _pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


# --- classes


def _bars(axes: Axes, view: View) -> None:
    """Boxes by class, parts one after the other in lighter shades; what is not to be found in grey."""
    counts = counts_by_part(view)
    names = list(counts)[:_MOST_BARS]
    for row, name in enumerate(names):
        tint = class_colour(view.classes.index(name)) if name in view.classes else _GREY
        left = 0
        for part, count in enumerate(counts[name]):
            axes.barh(row, count, 0.7, left, color=shade(tint, part), edgecolor="white", linewidth=0.5)
            left += count
        axes.text(left, row, f" {left:,}", va="center", ha="left", fontsize=8)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(max(3, len(names)) - 0.4, -0.6)
    axes.set_xlim(0, max(1, 1.35 * max(sum(parts) for parts in counts.values())))
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set_xlabel("boxes")
    more = len(counts) - len(names)
    axes.set_title("boxes by class" + (f" (and {more} more)" if more else ""))
    place = axes.get_position()
    axes.set_position((_NAMES / WIDTH, place.y0, place.x1 - _NAMES / WIDTH, place.height))
    quiet_grid(axes, "x")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def shade(tint: tuple[float, float, float], part: int) -> tuple[float, float, float]:
    """A colour, lighter for later parts."""
    return lighter(tint, (0.0, 0.45, 0.72, 0.25, 0.6)[part % _MOST_SHADES])


def _thousands(value: float, _: int = 0) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


# --- histograms


@dataclass(frozen=True)
class Line:
    """What a histogram draws of a view: a class in one part, or in all of them (None)."""

    name: str
    part: str | None
    tint: tuple[float, float, float]
    style: str


def _lines(view: View) -> list[Line]:
    """The most numerous classes; in a mixture of few of them, each source's by itself."""
    counts = counts_by_part(view)
    names = sorted((name for name in view.classes if any(counts[name])), key=lambda name: -sum(counts[name]))
    names = sorted(names[:_MOST_LINES], key=view.classes.index)
    by_part = view.kind == "mixture" and 1 < len(view.parts) <= _MOST_LINES / max(1, len(names))
    return [
        Line(name, part, class_colour(view.classes.index(name)), LINES[place % len(LINES)])
        for name in names
        for place, part in enumerate(view.parts if by_part else (None,))
        if part is None or counts[name][place]
    ]


def _draw_histogram(axes: Axes, histogram: Histogram, lines: list[Line]) -> None:
    """Every class as a line of its own, in per cent of its own boxes, so that rare ones can be seen."""
    quantity, edges = histogram.quantity, histogram.edges
    axes.set_title(quantity.title)
    if histogram.empty:
        axes.text(0.5, 0.5, histogram.empty, ha="center", va="center", transform=axes.transAxes, color="#666666")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    top = 0.0
    for line in lines:
        counts = histogram.of_class(line.name, line.part)
        if counts.any():
            share = counts / counts.sum()
            top = max(top, float(share.max()))
            axes.stairs(share, edges, color=line.tint, linestyle=line.style, linewidth=1.6)
            if len(lines) <= _MOST_FILLED:
                axes.stairs(share, edges, color=line.tint, fill=True, alpha=0.10)
    axes.set_ylim(0, 1.12 * top or 1.0)  # without boxes nothing is drawn
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}%"))
    axes.set_ylabel("of the frames" if quantity is PER_FRAME else f"of the class's {quantity.of}")
    beyond = f", {histogram.above:,} beyond" if histogram.above and not quantity.logarithmic else ""
    axes.set_xlabel(quantity.unit + beyond)
    _scale(axes, histogram)
    quiet_grid(axes)


def _scale(axes: Axes, histogram: Histogram) -> None:
    """Ticks that can be read: powers of two for sizes, ratios for shapes, shares in per cent."""
    edges = histogram.edges
    if histogram.quantity.logarithmic:
        axes.set_xscale("log", base=2)
        octaves = edges[::4]
        step = -(-len(octaves) // 8)
        axes.xaxis.set_major_locator(FixedLocator(octaves[::step]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(_ratio if histogram.quantity is ASPECT else lambda x, _: f"{x:g}"))
    if histogram.quantity is SIZE:
        for end, name in _COCO:
            if edges[0] < end < edges[-1]:
                axes.axvline(end, color=_GREY, linewidth=0.8, linestyle=":")
                axes.text(end, 0.99, f"{name} ", ha="right", va="top", fontsize=7, color="#666666",
                          transform=axes.get_xaxis_transform())  # fmt: skip
    if histogram.quantity is VISIBILITY:
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    if histogram.quantity is PER_FRAME:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _ratio(value: float, _: int = 0) -> str:
    return f"{value:g}:1" if value >= 1 else f"1:{1 / value:g}"


# --- the key, and positions


def _key(axes: Axes, view: View, lines: list[Line]) -> None:
    """What colours, line styles and shades mean."""
    axes.set_axis_off()
    tints = {line.name: line.tint for line in lines}
    handles: list = [Line2D([], [], color=tint, linewidth=3, label=_short(name)) for name, tint in tints.items()]
    if any(name in ROLES.values() for name in counts_by_part(view)):
        handles.append(Line2D([], [], color=_GREY, linewidth=3, label="not to be found"))
    styles = {line.part: line.style for line in lines if line.part is not None}
    labels = [handle.get_label() for handle in handles]
    for number, part in enumerate(view.parts[:_MOST_SHADES] if len(view.parts) > 1 else ()):
        bar = Patch(facecolor=shade(to_rgb("black"), number))
        handles.append((bar, Line2D([], [], color="black", linestyle=styles[part])) if part in styles else bar)
        labels.append(part)
    left_out = sum(1 for name in view.classes if any(counts_by_part(view)[name])) - len(tints)
    if left_out:
        handles.append(Line2D([], [], color="none"))
        labels.append(f"{left_out} rarer classes: see the CSV")
    axes.legend(
        handles, labels, handler_map={tuple: HandlerTuple(None)}, loc="upper left",
        bbox_to_anchor=(-0.1, 1.05), borderaxespad=0, handlelength=3.2,
    )  # fmt: skip


def _heatmap(axes: Axes, name: str, grid: np.ndarray, shape: float) -> None:
    """Square roots of the counts as colours: a parked car would outshine all that moves."""
    axes.imshow(np.sqrt(grid), cmap="cividis", vmin=0, extent=(0, 1, 1, 0), aspect=shape, interpolation="nearest")
    axes.set_title(f"where: {name}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.5, 1]))
        axis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel(f"yellow: {grid.max():,} centres in a cell")
    axes.tick_params(length=0, pad=5)
    axes.spines[:].set_visible(False)
