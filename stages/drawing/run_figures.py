"""Figures of the run itself: what mixtures hold, what happened over training time, how long every stage took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from stages.drawing.figures import distinct, legend_below, where
from stages.drawing.tables import Table
from stages.style import colour, line, new_figure, quiet_grid, save, settings

Panel = tuple[str, str, list[str]]  # title, what it measures, columns


def draw_mixtures(table: Table, path: Path) -> None:
    """Training boxes of every stage by class (bars), stacked by source."""
    stages, classes, sources = (distinct(table, name) for name in ("stage", "class", "source"))
    with settings():
        size = (8.0, max(2.4, 0.36 * len(stages) * len(classes) + 1.6))
        figure, grid = new_figure(*size, "What the mixtures hold for training")
        axes, bars = grid[0, 0], [(stage, name) for stage in stages for name in classes]
        left = np.zeros(len(bars))
        for index, source in enumerate(sources):
            of = {(row["stage"], row["class"]): row["boxes"] for row in where(table, source=source)}
            widths = np.array([of.get(bar, 0) for bar in bars], float)
            axes.barh(range(len(bars)), widths, left=left, color=colour(index), label=source, height=0.8)
            left += widths
        axes.set_yticks(range(len(bars)), [f"{stage}, {name}" for stage, name in bars])
        axes.invert_yaxis()
        axes.set_xlabel("boxes")
        quiet_grid(axes, "x")
        legend_below(figure, axes)
        save(figure, path)


def draw_timeline(table: Table, panels: Sequence[Panel], starts: Table, events: Table, path: Path) -> None:
    """``panels`` over one axis of training time; where stages begin, memory ran out and kills were, as lines.

    ``table``, ``panels``, ``starts`` and ``events`` are those of `reporting.timeline`.
    """
    with settings():
        figure, grid = new_figure(9.0, 11.0, "Training over time", len(panels), 1, sharex=True)
        for axes, (title, label, names) in zip(grid[:, 0], panels, strict=True):
            for index, name in enumerate(names):
                _draw_stages(axes, table, name, index)
            _mark(axes, starts, events)
            axes.set_title(title, loc="left")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
            quiet_grid(axes)
            if len(names) > 1:
                axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _name_stages(grid[0, 0], starts)
        grid[-1, 0].set_xlabel("minutes of training; orange dashes: memory ran out, grey dots: went on after a kill")
        save(figure, path)


def _draw_stages(axes: Axes, table: Table, name: str, index: int) -> None:
    """One series, a line for each stage."""
    for number, stage in enumerate(distinct(table, "stage")):
        rows = [row for row in where(table, stage=stage) if row.get(name) is not None]
        xs, ys = [row["minutes"] for row in rows], [row[name] for row in rows]
        style = {"marker": "o", "clip_on": False} if name == "mAP" else {}
        label = None if number else name
        axes.plot(xs, ys, line(index), color=colour(index), label=label, linewidth=1.4, **style)


def _mark(axes: Axes, starts: Table, events: Table) -> None:
    for start in starts[1:]:
        axes.axvline(start["minutes"], color="black", linewidth=0.8, alpha=0.5)
    for event in events:
        memory = event["kind"] == "memory"
        axes.axvline(event["minutes"], color="#D55E00" if memory else "#7F7F7F", ls="--" if memory else ":")


def _name_stages(axes: Axes, starts: Table) -> None:
    for start in starts:
        place = (start["minutes"], 0.99)
        text = axes.annotate(start["stage"], place, (3, 0), axes.get_xaxis_transform(), "offset points", va="top")
        text.set(fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})


def draw_times(table: Table, path: Path) -> None:
    """Seconds of every stage of the pipeline, as bars; ``table`` has `stage` and `seconds`."""
    with settings():
        figure, grid = new_figure(8.0, max(2.4, 0.24 * len(table) + 1.4), "How long each stage took")
        axes = grid[0, 0]
        bars = axes.barh(range(len(table)), [row["seconds"] for row in table], color=colour(0), height=0.75)
        axes.bar_label(bars, [f"{row['seconds']:.1f}" for row in table], padding=3, fontsize=8)
        axes.set_yticks(range(len(table)), [row["stage"] for row in table])
        axes.invert_yaxis()
        axes.set_xlabel("seconds")
        quiet_grid(axes, "x")
        save(figure, path)
