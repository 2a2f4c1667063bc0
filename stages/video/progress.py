"""Shows how far a pass through footage is, on stderr: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
_LINES = 30.0  # seconds between two lines where there is no terminal


class Progress:
    """Counts frames, pass by pass; `summary` says how fast each was."""

    def __init__(self):
        self._rates: list[str] = []

    @property
    def summary(self) -> str:
        """The finished passes' frames a second, as in `detecting 17.3, drawing 41.0 frames/s`."""
        return f"{', '.join(self._rates)} frames/s"

    def over(self, items: Iterable[Item], what: str, total: int | None) -> Iterator[Item]:
        """Pass on ``items``, one a frame, of which ``total`` are expected, and show how fast they come."""
        shown = _bar(what, total) if sys.stderr.isatty() else None
        start = printed = time.monotonic()
        count = 0
        try:
            for count, item in enumerate(items, start=1):
                yield item
                now = time.monotonic()
                if shown is not None:
                    shown.update()
                elif now - printed >= _LINES:
                    printed = now
                    of = f"/{total}" if total else ""
                    print(f"{what}: frame {count}{of}, {count / (now - start):.3g} frames/s", file=sys.stderr)
        finally:
            if shown is not None:
                shown.close()
        self._rates.append(f"{what} {count / max(1e-9, time.monotonic() - start):.3g}")


def _bar(what: str, total: int | None) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit=" frames", file=sys.stderr, dynamic_ncols=True, leave=False)
