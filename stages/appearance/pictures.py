"""Ranking pictures: a query, and the ten of the gallery that look most like it, in frames that say who is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from stages import style
from stages.appearance.ranking import Found
from stages.appearance.scoring import Scored, read_image, spread

_COUNT = 10  # pictures of an entry
_SHOWN = 10  # finds in a picture
_GREEN, _RED = "#009E73", "#D55E00"  # of the style's colours, those that the colour-blind tell apart as such


def draw_rankings(folder: Path, name: str, scored: Scored) -> None:
    """Write NNN.png for queries from the worst found to the best."""
    folder.mkdir(parents=True)
    with style.settings():
        for number, found in enumerate(spread(scored.found, _COUNT), 1):
            _draw(folder / f"{number:03d}.png", name, found, scored)


def _draw(path: Path, name: str, found: Found, scored: Scored) -> None:
    query = scored.queries[found.query]
    asked = f"{name}: identity {query.identity} in camera {query.camera}"
    title = f"{asked}, average precision {found.average_precision:.2f}"
    figure, axes = style.new_figure(11.5, 2.9, title, 1, _SHOWN + 1)
    tiles = axes[0]
    _tile(tiles[0], read_image(query.path), "query", "black", "-")
    for place, tile in enumerate(tiles[1:]):
        if place >= len(found.top):
            tile.set_axis_off()
            continue
        shot, right = scored.gallery[found.top[place]], bool(found.right[place])
        label = f"{place + 1}: {'right' if right else 'wrong'}\n{found.similarities[place]:.2f}, camera {shot.camera}"
        _tile(tile, read_image(shot.path), label, _GREEN if right else _RED, "-" if right else "--")
    style.save(figure, path)


def _tile(axes: Axes, image: np.ndarray, label: str, colour: str, line: str) -> None:
    """One crop in its own proportions, in a frame whose line says the same as its colour."""
    axes.imshow(image[..., ::-1], interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(label, fontsize=8, color=colour)
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=3, linestyle=line)
