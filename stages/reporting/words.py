"""Numbers in words, the same everywhere on the page."""

from __future__ import annotations

from collections.abc import Iterable


def number(value: float | None, digits: int = 3) -> str:
    """A score."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """A difference, with a true minus."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def listed(names: Iterable[object]) -> str:
    """Names with commas."""
    return ", ".join(map(str, names))
