"""Writes a downloaded source in another tool's format: motchallenge, coco, coco-video, yolo or jsonl.

Reads data/sources/SOURCE/; writes FOLDER, which must not be there yet: all splits, frames as files, native class names.
What is lost in a format, its module in `stages.exporting` says. Run as `python -m stages.export FORMAT SOURCE FOLDER`.
"""

from __future__ import annotations

from stages.errors import run_stage
from stages.exporting import export_source


def main(format: str, source: str, folder: str) -> None:
    """Export one source."""
    export_source(format, source, folder)


if __name__ == "__main__":
    run_stage(main)
