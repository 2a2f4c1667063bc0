"""File names of videos, safe on any disk and in any address, whatever sources and sequences are called."""

from __future__ import annotations

import re

_LONGEST = 80  # characters of what a name is made of


class Names:
    """Gives out names, none of them twice, also where capitals are not told apart."""

    def __init__(self, *taken: str):
        self._taken = {name.lower() for name in taken}

    def of(self, *parts: str, ending: str) -> str:
        """``parts`` with dots between them and ``ending``; a number goes before it where that name is taken."""
        stem = ".".join(filter(None, map(_safe, parts)))[:_LONGEST].strip(".") or "video"
        number, name = 1, stem + ending
        while name.lower() in self._taken:
            number += 1
            name = f"{stem}-{number}{ending}"
        self._taken.add(name.lower())
        return name


def _safe(part: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip(".")
