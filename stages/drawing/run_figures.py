"""Figures of the run itself: what mixtures hold, what happened over training time, how long every stage took."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.drawing.figures import distinct, legend_below, where
from stages.drawing.tables import Table
from stages.style import colour, line, new_figure, quiet_grid, save, settings

TIMELINE_PANELS = (
    ("loss", "loss"),
    ("mAP", "validation mAP"),
    ("lr", "learning rate"),
    ("memory_mb", "memory, MB"),
    ("images_per_second", "images/s"),
)


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


def draw_timeline(table: Table, events: Table, path: Path) -> None:
    """Loss, mAP, learning rate, memory and pace over one axis of training time; ladder events and resumes as lines.

    ``table`` and ``events`` have the rows of `reporting.timeline`.
    """
    stages = distinct(table, "stage")
    with settings():
        figure, grid = new_figure(9.0, 9.5, "Training over time", len(TIMELINE_PANELS), 1, sharex=True)
        for axes, (name, label) in zip(grid[:, 0], TIMELINE_PANELS, strict=True):
            for index, stage in enumerate(stages):
                rows = [row for row in where(table, stage=stage) if row.get(name) is not None]
                xs, ys = [row["minutes"] for row in rows], [row[name] for row in rows]
                style = {"marker": "o"} if name == "mAP" else {}
                axes.plot(xs, ys, line(index), color=colour(index), label=stage, linewidth=1.4, **style)
            for event in events:
                axes.axvline(event["minutes"], color="#D55E00" if event["kind"] == "memory" else "#666666", ls=":")
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
            quiet_grid(axes)
        grid[-1, 0].set_xlabel("minutes of training, the stages one after another; dotted: resumes, orange: memory")
        legend_below(figure, grid[0, 0])
        save(figure, path)


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
