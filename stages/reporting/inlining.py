"""Pictures within the page, as long as the page stays small; beyond that, addresses of the files beside it."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

from stages.reporting.run import Run

BUDGET = 9_000_000  # characters of pictures in a page, which with script and data stays under 15 MB
_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


class Inlined:
    """What of ``budget`` is left for pictures."""

    def __init__(self, budget: int = BUDGET):
        self.left = budget

    def picture(self, run: Run, path: Path) -> str:
        """``path``, below the run's root, as a data address; or its address, or nothing where it is not to be had."""
        file = run.root / path
        if not file.is_file():
            return ""
        size = 4 * file.stat().st_size // 3 + 40
        if size > self.left:
            return self.address(run, path)
        self.left -= size
        return f"data:{_TYPES[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"

    def address(self, run: Run, path: Path) -> str:
        """Where ``path``, below plots/, lies for the page; empty where the page has no such files beside it."""
        return "" if run.base is None else run.base + quote(path.relative_to("plots").as_posix())
