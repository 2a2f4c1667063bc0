"""Figures of what scoring found: what stages gained, detection against association, sequences, causes of mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from stages.drawing.figures import distinct, legend_below, where
from stages.drawing.score_tables import CAUSES
from stages.drawing.tables import Table
from stages.style import colour, marker, new_figure, quiet_grid, save, settings

_MOST_DOTS = 400  # sequences of a source that are drawn as dots; more are summed up as boxes


def draw_gains(table: Table, path: Path) -> None:
    """HOTA that every stage gained or lost against its parent, a dot and its 95 % interval for each source."""
    rows = where(table, metric="HOTA")
    stages, sources = distinct(rows, "checkpoint"), distinct(rows, "source")
    with settings():
        size = (7.5, max(2.6, 0.5 * len(stages) * len(sources) + 1.6))
        figure, grid = new_figure(*size, "HOTA gained (right) and lost (left) by each stage")
        axes = grid[0, 0]
        for y, row in enumerate(rows):
            tint = colour(sources.index(row["source"]))
            if row["value"] is None:
                continue
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [y, y], color=tint, linewidth=2, solid_capstyle="round")
            axes.plot([row["value"]], [y], marker(sources.index(row["source"])), color=tint, markersize=8)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_yticks(range(len(rows)), [f"{row['checkpoint']} on {row['source']}" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("HOTA minus the parent's; the line is the 95 % interval, where there is one")
        quiet_grid(axes, "x")
        save(figure, path)


def draw_association(table: Table, path: Path) -> None:
    """DetA against AssA, pooled: a panel for each source, a colour for each checkpoint, a marker for each tracker."""
    sources, checkpoints, trackers = (distinct(table, name) for name in ("source", "checkpoint", "tracker"))
    with settings():
        columns = max(1, len(sources))
        figure, grid = new_figure(
            max(5.0, 4.0 * columns), 4.8, "Detection against association", 1, columns, sharex=True, sharey=True
        )
        for axes, source in zip(grid[0], sources, strict=False):
            _draw_levels(axes)
            for row in where(table, source=source):
                if row["DetA"] is not None and row["AssA"] is not None:
                    tint, shape = colour(checkpoints.index(row["checkpoint"])), marker(trackers.index(row["tracker"]))
                    label = f"{row['checkpoint']}, {row['tracker']}"
                    axes.plot([row["DetA"]], [row["AssA"]], shape, color=tint, markersize=8, label=label)
            axes.set_title(source)
            axes.set_xlabel("DetA")
        grid[0, 0].set_ylabel("AssA")
        legend_below(figure, grid[0, 0])
        save(figure, path)


def _draw_levels(axes: Axes) -> None:
    """Lines on which HOTA at one threshold, the geometric mean of the two, is the same."""
    x = np.linspace(0.01, 1, 100)
    for level in (0.2, 0.4, 0.6, 0.8):
        axes.plot(x, np.minimum(1.5, level**2 / x), color="#CCCCCC", linewidth=0.8)
        axes.annotate(f"{level}", (min(1, level**2 / 0.97), 0.97), color="#888888", fontsize=8, ha="left", va="top")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")


def draw_sequences(table: Table, tracker: str, path: Path) -> None:
    """HOTA of every test sequence with one tracker: a row of dots for each checkpoint, a panel for each source."""
    rows = where(table, tracker=tracker)
    sources, checkpoints = distinct(rows, "source"), distinct(rows, "checkpoint")
    with settings():
        columns = max(1, len(sources))
        size = (max(5.0, 1.5 + 3.6 * columns), max(2.6, 0.7 * len(checkpoints) + 1.4))
        figure, grid = new_figure(*size, f"HOTA by sequence ({tracker})", 1, columns, sharey=True)
        for axes, source in zip(grid[0], sources, strict=False):
            for y, checkpoint in enumerate(checkpoints):
                found = where(rows, source=source, checkpoint=checkpoint)
                _draw_dots(axes, y, [row["HOTA"] for row in found if row["HOTA"] is not None])
            axes.set_yticks(range(len(checkpoints)), checkpoints)
            axes.set_ylim(len(checkpoints) - 0.5, -0.5)
            axes.set_title(source)
            axes.set_xlim(0, 1)
            axes.set_xlabel("HOTA")
            quiet_grid(axes, "x")
        save(figure, path)


def _draw_dots(axes: Axes, y: int, values: list[float]) -> None:
    if len(values) > _MOST_DOTS:
        axes.boxplot([values], positions=[y], widths=0.5, whis=(5, 95), showfliers=False, orientation="horizontal")
    elif values:
        spread = np.linspace(-0.18, 0.18, len(values))[np.argsort(np.argsort(values, kind="stable"), kind="stable")]
        axes.plot(values, y + spread, marker(y), color=colour(y), alpha=0.8)
        axes.plot([np.median(values)] * 2, [y - 0.25, y + 0.25], color="black", linewidth=1.5)


def draw_causes(table: Table, tracker: str, path: Path) -> None:
    """Mistakes by cause with one tracker, stacked: a panel for each source, a bar for each kind and checkpoint."""
    rows = where(table, tracker=tracker)
    sources, checkpoints, kinds = (distinct(rows, name) for name in ("source", "checkpoint", "kind"))
    with settings():
        size = (9.0, max(2.6, (0.34 * len(checkpoints) * len(kinds) + 0.9) * max(1, len(sources)) + 1))
        figure, grid = new_figure(*size, f"What mistakes come with ({tracker})", max(1, len(sources)))
        bars = [(kind, checkpoint) for kind in kinds for checkpoint in checkpoints]
        for axes, source in zip(grid[:, 0], sources, strict=False):
            left = np.zeros(len(bars))
            for index, cause in enumerate(CAUSES):
                of = {(r["kind"], r["checkpoint"]): r["count"] for r in where(rows, source=source, cause=cause)}
                widths = np.array([of.get(bar, 0) for bar in bars], float)
                axes.barh(range(len(bars)), widths, left=left, color=colour(index), label=cause, height=0.8)
                left += widths
            axes.bar_label(axes.containers[-1], [f"{int(total)}" for total in left], padding=3, fontsize=8)
            axes.set_yticks(range(len(bars)), [f"{kind}, {checkpoint}" for kind, checkpoint in bars])
            axes.invert_yaxis()
            axes.set_title(source, loc="left")
            quiet_grid(axes, "x")
        grid[-1, 0].set_xlabel("mistakes")
        legend_below(figure, grid[0, 0])
        save(figure, path)
