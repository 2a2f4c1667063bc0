"""How all figures look: colours that the colour-blind can tell apart, quiet axes, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stages.files import replacing

# Okabe and Ito 2008, "Color Universal Design"; yellow is left out, which is faint on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_GREY = "#666666"

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def settings(own: Mapping[str, object] = MappingProxyType({})) -> AbstractContextManager:
    """A context in which figures are made, with a figure's ``own`` settings; whatever the user's matplotlibrc says.

    Nothing outside it changes.
    """
    return mpl.rc_context({**mpl.rcParamsDefault, **_SETTINGS, "backend": "agg", **own})


def colour(index: int) -> str:
    """The colour of the ``index``-th series; they repeat after seven."""
    return COLOURS[index % len(COLOURS)]


def line(index: int) -> str:
    """The line style of the ``index``-th series: colours never stand alone."""
    return LINES[index % len(LINES)]


def marker(index: int) -> str:
    """The marker of the ``index``-th series, see `line`."""
    return MARKERS[index % len(MARKERS)]


def new_figure(width: float, height: float, title: str, rows: int = 1, columns: int = 1, **kwargs) -> tuple:
    """A figure of ``width`` x ``height`` inches with a title, and its (rows, columns) array of axes."""
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def quiet_grid(axes: Axes, axis: str = "y") -> None:
    """Light lines behind the data along one axis."""
    axes.grid(axis=axis)
    axes.tick_params(length=0)


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` as PNG in one step; no date and no version in it."""
    with replacing(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
