"""What a mixture holds, small enough to read in `dvc metrics diff`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.mixtures.clips import ClipReader
from stages.mixtures.mixing import Clip


def summarise(reader: ClipReader, clips: list[Clip], classes: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Per source and split: frames, and target boxes of every class in them."""
    summary: dict[str, dict[str, dict[str, int]]] = {}
    for source in dict.fromkeys(clip.source for clip in clips):
        summary[source] = {
            split: _count(reader, [c for c in clips if c.source == source and c.split == split], classes)
            for split in ("train", "val")
        }
    return summary


def _count(reader: ClipReader, clips: list[Clip], classes: Sequence[str]) -> dict[str, int]:
    counts = np.zeros(len(classes), np.int64)
    for clip in clips:
        targets = reader.targets(clip.source, clip.sequence)
        for frame in clip.frames:
            if frame in targets:
                counts += np.bincount(targets[frame].classes, minlength=len(classes))
    frames = sum(len(clip.frames) for clip in clips)
    return {"frames": frames} | {name: int(count) for name, count in zip(classes, counts, strict=True)}
