"""What a mixture holds: a full table, and the few numbers of it that are worth a line in `dvc metrics diff`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.mixtures.mixing import Clip
from stages.mixtures.targets import SIZES, TargetReader, TargetRows


@dataclass(frozen=True)
class Summary:
    """One source's part in one split of a mixture.

    ``frames`` counts a frame once for every clip that holds it; ``boxes`` (classes,) and ``sizes`` (len(SIZES),) are
    the targets in those frames. ``ids`` are the identities among them, each sequence having its own. ``seconds`` is
    the video time from the clips' first to their last frames, overlaps counted once. ``steps`` are the intervals
    between a clip's frames, in frames; none where clips are single frames.
    """

    source: str
    split: str
    sequences: int
    clips: int
    frames: int
    ids: int
    seconds: float
    steps: tuple[int, ...]
    boxes: tuple[int, ...]
    sizes: tuple[int, ...]


def summarise(reader: TargetReader, clips: Sequence[Clip], classes: Sequence[str]) -> list[Summary]:
    """Every source's part in train and in val, in the order in which ``clips`` first names the sources."""
    return [
        _of_part(source, split, reader, [c for c in clips if (c.source, c.split) == (source, split)], len(classes))
        for source in dict.fromkeys(clip.source for clip in clips)
        for split in ("train", "val")
    ]


def _of_part(source: str, split: str, reader: TargetReader, clips: list[Clip], classes: int) -> Summary:
    steps = {clip.frames[1] - clip.frames[0] for clip in clips if len(clip.frames) > 1}
    by_sequence: dict[str, list[Clip]] = {}
    for clip in clips:
        by_sequence.setdefault(clip.sequence, []).append(clip)
    counts = [_Counts.of(group, reader.rows(source, name), classes) for name, group in sorted(by_sequence.items())]
    return Summary(
        source=source,
        split=split,
        sequences=len(counts),
        clips=len(clips),
        frames=sum(len(clip.frames) for clip in clips),
        ids=sum(count.ids for count in counts),
        seconds=round(sum(count.seconds for count in counts), 2),
        steps=tuple(sorted(steps)),
        boxes=tuple(sum((count.boxes for count in counts), np.zeros(classes, np.int64)).tolist()),
        sizes=tuple(sum((count.sizes for count in counts), np.zeros(len(SIZES), np.int64)).tolist()),
    )


@dataclass(frozen=True)
class _Counts:
    """A sequence's share of a `Summary`."""

    ids: int
    seconds: float
    boxes: np.ndarray
    sizes: np.ndarray

    @staticmethod
    def of(clips: list[Clip], rows: TargetRows, classes: int) -> _Counts:
        times = np.bincount([frame for clip in clips for frame in clip.frames], minlength=rows.length + 1)
        shown = times[rows.frame]  # (N,) how often each box is
        covered = np.zeros(rows.length + 1, bool)
        for clip in clips:
            covered[clip.frames[0] : clip.frames[-1] + 1] = True
        return _Counts(
            ids=len(np.unique(rows.identity[shown > 0])),
            seconds=int(covered.sum()) / rows.fps,
            boxes=np.bincount(rows.category, shown, classes).astype(np.int64),
            sizes=np.bincount(rows.size, shown, len(SIZES)).astype(np.int64),
        )


def table(summaries: Sequence[Summary], classes: Sequence[str]) -> list[dict[str, object]]:
    """The rows of summary.csv: all of it, boxes by size and by class."""
    return [
        {
            "source": part.source,
            "split": part.split,
            "sequences": part.sequences,
            "clips": part.clips,
            "frames": part.frames,
            "seconds": part.seconds,
            "interval_frames": " ".join(map(str, part.steps)),
            "ids": part.ids,
            "boxes": sum(part.boxes),
        }
        | {f"boxes_{name}": count for name, count in zip(SIZES, part.sizes, strict=True)}
        | {f"boxes_{name}": count for name, count in zip(classes, part.boxes, strict=True)}
        for part in summaries
    ]


def headline(summaries: Sequence[Summary], classes: Sequence[str]) -> Mapping[str, dict]:
    """What `dvc metrics diff` shows: of every source its training frames, seconds, interval, ids and boxes by class."""
    return {part.source: _headline(part, classes) for part in summaries if part.split == "train"}


def _headline(part: Summary, classes: Sequence[str]) -> dict[str, object]:
    steps = sorted({part.steps[0], part.steps[-1]}) if part.steps else []
    interval = {"interval_frames": " to ".join(map(str, steps))} if steps else {}
    boxes = dict(zip(classes, part.boxes, strict=True))
    return {"frames": part.frames, "seconds": part.seconds} | interval | {"ids": part.ids, "boxes": boxes}
