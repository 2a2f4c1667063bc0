"""Sections to one self-contained HTML file: template, style and script of this folder, and Vega-Lite with its data.

Nothing is fetched: the charting script (Vega, Vega-Lite, Vega-Embed, as vl-convert bundles them) stands in the page.
Text reaches the page by the template's escaping or as JSON without angle brackets, never as markup.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from stages.reporting.blocks import Section

_HERE = Path(__file__).parent
TABLE_ROWS = 500  # of a table that are shown


@dataclass(frozen=True)
class Row:
    """A band of the page: one section, or the same section of two runs beside one another."""

    anchor: str
    title: str
    sections: list[Section]


def beside(*pages: list[Section]) -> list[Row]:
    """The sections of one page or of several, those with the same anchor beside one another."""
    return [Row(group[0].anchor, group[0].title, list(group)) for group in zip(*pages, strict=True)]


def render(title: str, rows: list[Row]) -> str:
    """The page of ``rows``, as `beside` gives them."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    return environment.get_template("page.html.j2").render(
        title=title,
        rows=rows,
        has_files=any(section.base is not None for row in rows for section in row.sections),
        most=TABLE_ROWS,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
        vega=Markup(_charting_script()),
    )


def _json(value: object) -> Markup:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


@cache
def _charting_script() -> str:
    import vl_convert

    return vl_convert.javascript_bundle().replace("</script", "<\\/script")
