"""The five figures: training, HOTA by stage and source, HOTA over alpha, forgetting, and the matrix of all metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from stages.drawing.tables import Table
from stages.style import colour, line, new_figure, quiet_grid, save, settings

_TRAINING = (("loss", "training loss"), ("mAP", "validation mAP"), ("lr", "learning rate"))


def draw_training(table: Table, path: Path) -> None:
    """Loss, mAP and learning rate over the epochs: a column of panels for each stage."""
    stages = distinct(table, "stage")
    with settings():
        width = max(6.0, 3.6 * len(stages) + 1)
        figure, grid = new_figure(
            width, 7, "Training, stage by stage", len(_TRAINING), len(stages), sharex="col", sharey="row"
        )
        for column, stage in enumerate(stages):
            rows = where(table, stage=stage)
            for axes, (name, label) in zip(grid[:, column], _TRAINING, strict=True):
                _draw_curve(axes, rows, name, colour(column))
                axes.set_ylabel(label if column == 0 else "")
            grid[0, column].set_title(stage)
            grid[-1, column].set_xlabel("epoch")
        for axes in grid[:2].flat:
            axes.set_ylim(bottom=0)
        for axes in grid[2]:
            axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        save(figure, path)


def _draw_curve(axes: Axes, rows: Table, name: str, tint: str) -> None:
    points = [(row["epoch"], row[name]) for row in rows if row[name] is not None]
    marker = "o" if len(points) < 40 else ""
    axes.plot([x for x, _ in points], [y for _, y in points], marker=marker, markersize=4, color=tint)
    if name == "mAP" and points:
        epoch, best = max(points, key=lambda point: point[1])
        axes.annotate(f"{best:.3f}", (epoch, best), (0, 5), textcoords="offset points", ha="center", fontsize=9)
        axes.margins(y=0.18)
    axes.xaxis.get_major_locator().set_params(integer=True)
    quiet_grid(axes)


def draw_hota(table: Table, path: Path) -> None:
    """HOTA of every checkpoint on every source, as bars with their values; a panel for each tracker."""
    trackers, checkpoints, sources = (distinct(table, name) for name in ("tracker", "checkpoint", "source"))
    with settings():
        width = max(6.0, 0.75 * len(checkpoints) * len(sources) + 2)
        size = (width, 3.2 * len(trackers) + 0.8)
        figure, grid = new_figure(*size, "HOTA by stage and source", len(trackers), sharex=True, sharey=True)
        for axes, tracker in zip(grid[:, 0], trackers, strict=True):
            _draw_bars(axes, where(table, tracker=tracker), checkpoints, sources)
            axes.set_title(tracker, loc="left")
        legend_below(figure, grid[0, 0])
        save(figure, path)


def _draw_bars(axes: Axes, rows: Table, checkpoints: list[str], sources: list[str]) -> None:
    hota = {(row["checkpoint"], row["source"]): row["HOTA"] for row in rows}
    width = 0.8 / len(sources)
    for index, source in enumerate(sources):
        places = np.arange(len(checkpoints)) + (index - (len(sources) - 1) / 2) * width
        values = [hota.get((checkpoint, source)) for checkpoint in checkpoints]
        bars = axes.bar(places, [value or 0.0 for value in values], width * 0.94, color=colour(index), label=source)
        labels = ["n/a" if value is None else f"{value:.3f}" for value in values]
        axes.bar_label(bars, labels, padding=2, fontsize=9)
    axes.set_xticks(range(len(checkpoints)), checkpoints)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("HOTA")
    quiet_grid(axes)


def draw_alpha(table: Table, tracker: str, path: Path) -> None:
    """HOTA over the IoU threshold alpha with one tracker: a panel for each source, a line for each checkpoint."""
    rows = where(table, tracker=tracker)
    sources, checkpoints = distinct(rows, "source"), distinct(rows, "checkpoint")
    with settings():
        columns = max(1, len(sources))
        size = (max(6.0, 4.2 * columns), 4.4)
        figure, grid = new_figure(*size, f"HOTA over alpha ({tracker})", 1, columns, sharey=True)
        for axes, source in zip(grid[0], sources, strict=False):
            for index, checkpoint in enumerate(checkpoints):
                points = where(rows, source=source, checkpoint=checkpoint)
                xs, ys = [p["alpha"] for p in points], [p["HOTA"] for p in points]
                axes.plot(xs, ys, line(index), color=colour(index), linewidth=2, label=checkpoint)
            axes.set_title(source)
            axes.set_xlabel("alpha (IoU that a match needs)")
            axes.set_xlim(0.03, 0.97)
            axes.set_ylim(0, 1)
            quiet_grid(axes)
        grid[0, 0].set_ylabel("HOTA")
        legend_below(figure, grid[0, 0])
        save(figure, path)


def draw_forgetting(
    table: Table, own: dict[str, set[str]], trained: dict[str, set[str]], lost: dict[str, dict[str, float]], path: Path
) -> None:
    """HOTA of every checkpoint (rows) on every source (columns) as a heatmap, with what was forgotten.

    ``own`` and ``trained`` say which sources a checkpoint's own stage trained on, and which its stage or one before;
    ``lost`` is `curriculum.transfer.forgetting`.
    """
    checkpoints, sources = distinct(table, "checkpoint"), distinct(table, "source")
    hota = {(row["checkpoint"], row["source"]): row["HOTA"] for row in table}
    cells = [[_number(hota.get((checkpoint, source))) for source in sources] for checkpoint in checkpoints]
    with settings():
        size = (max(6.4, 1.9 * len(sources) + 2.4), max(3.2, 0.9 * len(checkpoints) + 2))
        figure, grid = new_figure(*size, "Forgetting: HOTA after each stage")
        axes = grid[0, 0]
        image = axes.imshow(np.ma.masked_invalid(cells), cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for y, checkpoint in enumerate(checkpoints):
            for x, source in enumerate(sources):
                mark = "●" if source in own[checkpoint] else "○" if source in trained[checkpoint] else ""
                _annotate(axes, x, y, cells[y][x], mark, lost.get(checkpoint, {}).get(source))
        _label_matrix(axes, checkpoints, sources)
        figure.colorbar(image, ax=axes, label="HOTA", fraction=0.06)
        figure.supxlabel("●  trained on in this stage          ○  trained on in a stage before", fontsize=9)
        save(figure, path)


def draw_matrix(table: Table, path: Path) -> None:
    """Every metric of every checkpoint (rows) on every source (columns): a heatmap for each, on one scale from 0 to 1.

    ``table`` has the rows of `curriculum.summary.matrix_table`.
    """
    metrics, checkpoints, sources = (distinct(table, name) for name in ("metric", "checkpoint", "source"))
    with settings():
        columns = 2 if len(metrics) > 1 else 1
        size = (max(8.0, columns * (1.4 * len(sources) + 1.2)), max(5.0, 1.7 * len(checkpoints) + 2))
        figure, grid = new_figure(*size, "Every checkpoint on every source", -(-len(metrics) // columns), columns)
        for axes, metric in zip(grid.flat, metrics, strict=False):
            image = _draw_cells(axes, where(table, metric=metric), checkpoints, sources)
            axes.set_title(metric, loc="left")
            axes.label_outer()
        figure.colorbar(image, ax=grid, label="score (below 0 as 0)", fraction=0.05)
        figure.supxlabel("●  trained on in this stage          ○  trained on in a stage before", fontsize=9)
        save(figure, path)


def _draw_cells(axes: Axes, rows: Table, checkpoints: list[str], sources: list[str]) -> AxesImage:
    of = {(row["checkpoint"], row["source"]): row for row in rows}
    cells = np.full((len(checkpoints), len(sources)), np.nan)
    for y, x in np.ndindex(cells.shape):
        row = of.get((checkpoints[y], sources[x]), {"value": None, "trained": ""})
        cells[y, x] = _number(row["value"])
        _annotate(axes, x, y, cells[y, x], {"here": "●", "before": "○"}.get(row["trained"], ""), None)
    _label_matrix(axes, checkpoints, sources)
    return axes.imshow(np.ma.masked_invalid(cells), cmap="cividis", vmin=0, vmax=1, aspect="auto")


def _annotate(axes: Axes, x: int, y: int, value: float, mark: str, lost: float | None) -> None:
    tint = "black" if value > 0.5 or np.isnan(value) else "white"
    text = "n/a" if np.isnan(value) else f"{value:.3f}"
    above = -0.1 if lost is not None else 0.0
    axes.text(x, y + above, f"{text} {mark}".strip(), ha="center", va="center", color=tint, fontsize=12)
    if lost is not None:
        said = f"{'gained' if lost < 0 else 'forgot'} {abs(lost):.3f}"
        axes.text(x, y + 0.22, said, ha="center", va="center", color=tint, fontsize=9)


def _label_matrix(axes: Axes, checkpoints: list[str], sources: list[str]) -> None:
    axes.set_xticks(range(len(sources)), sources)
    axes.set_yticks(range(len(checkpoints)), checkpoints)
    axes.set_xlabel("tested on source")
    axes.set_ylabel("checkpoint")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    # White lines part the cells.
    axes.set_xticks(np.arange(len(sources) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(checkpoints) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)


def legend_below(figure: Figure, axes: Axes) -> None:
    """What the colours of ``axes`` mean, below all panels."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))


def distinct(table: Table, name: str) -> list[str]:
    """The values of a column, each once, in the order of their first rows."""
    return list(dict.fromkeys(row[name] for row in table))


def where(table: Table, **values: str) -> Table:
    """The rows that have these ``values``."""
    return [row for row in table if all(row[name] == value for name, value in values.items())]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
