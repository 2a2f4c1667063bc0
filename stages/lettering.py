"""Text on pictures and frames, in the typeface of the figures: DejaVu Sans, which comes with Matplotlib."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
from PIL import ImageDraw, ImageFont

INK, FAINT = (0, 0, 0), (90, 90, 90)


@lru_cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface at ``size`` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts/ttf", name)), size)


def fitted(draw: ImageDraw.ImageDraw, text: str, width: int, face: ImageFont.FreeTypeFont) -> str:
    """``text``, its middle left out where it is wider than ``width`` pixels."""
    kept = len(text)
    shown = text
    while kept > 4 and draw.textlength(shown, face) > width:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[-(kept // 2) :]}"
    return shown
