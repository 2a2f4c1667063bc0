"""Writes what there is to see of a view into a folder: `sheet`, `frames`, `statistics` and `positions`, PNG and CSV.

`sheet.png` holds the three others under a head with the facts: the one picture to open first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from stages.exploring import statistics as stats
from stages.exploring.panels import WIDTH, draw_positions, draw_statistics
from stages.exploring.tiles import FRAMES_COLUMNS, choose_tiles, draw_frames
from stages.exploring.views import View
from stages.files import write_table
from stages.lettering import FAINT, INK, fitted, font
from stages.sequences.index import SOURCES

_HEAD, _MARGIN = 84, 10  # pixels
_BETWEEN = "   ·   "


def write_view(folder: Path, view: View, root: Path = SOURCES) -> None:
    """Draw ``view`` into ``folder``, which is made."""
    folder.mkdir(parents=True)
    found, grids = stats.histograms(view), stats.positions(view)
    frames, sampled = draw_frames(view, choose_tiles(view), WIDTH, root)
    statistics, where = draw_statistics(view, found), draw_positions(view, grids)
    _save(folder, {"head": _head(view), "frames": frames, "statistics": statistics, "positions": where})
    tables = {
        "sheet": (stats.SUMMARY_COLUMNS, stats.summary_table(view)),
        "frames": (FRAMES_COLUMNS, sampled),
        "statistics": (stats.STATISTICS_COLUMNS, stats.statistics_table(view, found)),
        "positions": (stats.POSITIONS_COLUMNS, stats.positions_table(grids)),
    }
    for name, (columns, rows) in tables.items():
        write_table(folder / f"{name}.csv", columns, rows)


def _save(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write the pictures, (H, W, 3) each, below one another as sheet.png, and each but the head by itself.

    256 colours take a third of the bytes; photographs are dithered to them, charts are not. No date is written.
    """
    palette = _palette(pictures)
    sheet = Image.new("P", (WIDTH, sum(map(len, pictures.values()))))
    sheet.putpalette(palette.getpalette())
    top = 0
    for name, picture in pictures.items():
        dither = Image.Dither.FLOYDSTEINBERG if name == "frames" else Image.Dither.NONE
        part = Image.fromarray(picture).quantize(palette=palette, dither=dither)
        sheet.paste(part, (0, top))
        if name != "head":
            part.save(folder / f"{name}.png")
        top += len(picture)
    sheet.save(folder / "sheet.png")


def _palette(pictures: dict[str, np.ndarray]) -> Image.Image:
    """The colours of all pictures; photographs, which have the most and are dithered, count for a ninth."""
    pixels = [
        (picture[::3, ::3] if name == "frames" else picture).reshape(1, -1, 3) for name, picture in pictures.items()
    ]
    return Image.fromarray(np.concatenate(pixels, axis=1)).quantize(256, Image.Quantize.FASTOCTREE)


def _head(view: View) -> np.ndarray:
    """The view's name and what it holds, in two lines."""
    page = Image.new("RGB", (WIDTH, _HEAD), "white")
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, 8), view.name, INK, font(26, bold=True))
    x = _MARGIN + 12 + int(draw.textlength(view.name, font(26, bold=True)))
    draw.text((x, 18), view.kind, FAINT, font(15))
    for number, line in enumerate(facts(view)):
        draw.text((_MARGIN, 43 + 19 * number), fitted(draw, line, WIDTH - 2 * _MARGIN, font(13)), INK, font(13))
    return np.asarray(page)


def facts(view: View) -> list[str]:
    """Two lines: how much there is, of what and from where."""
    return [_amounts(view), _parts(view)]


def _amounts(view: View) -> str:
    infos = [item.info for item in view.shown]
    rates = sorted({info.fps for info in infos})
    sizes = sorted({(info.width, info.height) for info in infos})
    said = [_many(len(infos), "sequence"), _many(len(view.frame_part), "frame")]
    if view.kind == "source":
        said.append(f"{sum(info.length / info.fps for info in infos):,.0f} s")
    said.append(_range([f"{rate:g}" for rate in rates]) + " frames per second")
    said.append(_range([f"{width}x{height}" for width, height in sizes]) + " px")
    said.append(_many(int((view.boxes.purpose >= 0).sum()), "box", "boxes") + " to be found")
    said.append(f"{_many(len(view.tracks.seconds), 'track')} ({view.tracks.gaps.sum():,} with gaps)")
    return _BETWEEN.join(said)


def _parts(view: View) -> str:
    said = []
    for place, part in enumerate(view.parts):
        here = [len(item.frames) for item in view.shown if item.part == place]
        said.append(f"{part}: {_many(len(here), 'sequence')}, {_many(sum(here), 'frame')}")
    if view.clips:
        lengths = sorted({len(clip.frames) for clip in view.clips})
        intervals = sorted({clip.interval for clip in view.clips if len(clip.frames) > 1})
        said.append(
            f"{_many(len(view.clips), 'clip')} of {_range(list(map(str, lengths)))} frame{'s' * (lengths[-1] > 1)}"
            + (f" at {', '.join(f'{seconds:g}' for seconds in intervals)} s" if intervals else "")
        )
    return _BETWEEN.join(said)


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _range(said: list[str]) -> str:
    """The first and the last."""
    return " to ".join(dict.fromkeys((said[0], said[-1])))
