"""explain.csv: a row of every picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.explaining.account import Account

COLUMNS = (
    "source",
    "sequence",
    "frame",
    "kind",
    "class",
    "cause",
    "fate",  # of the box that is explained, see stages/explaining/account.py
    "score",  # of that box, 0 to 1; empty where there is none
    "heat_inside",  # share of the heat in the mistake's box
    "expected_inside",  # share of the frame that this box takes up
    "overlap",  # IoU: a miss's candidate with the target, a false alarm with the annotated box nearest to it
    "overlap_with",  # what that is; empty where nothing overlaps
    "gt_id",  # empty for a false alarm
    "track_id",  # empty for a miss
    "method",  # of the heat map, see stages/explaining/heat.py
    "file",
    "sentence",
)


def file_name(number: int, count: int) -> str:
    """The name of the ``number``-th picture, from 1, of ``count``: names sort as numbers do."""
    return f"{number:0{max(2, len(str(count)))}d}.jpg"


def row_of(account: Account, file: str, sentence: str) -> dict[str, object]:
    """A row of `COLUMNS`."""
    mistake = account.mistake
    return {
        "source": mistake.source,
        "sequence": mistake.sequence,
        "frame": mistake.frame,
        "kind": mistake.kind,
        "class": mistake.label,
        "cause": mistake.cause,
        "fate": account.fate,
        "score": account.score,
        "heat_inside": account.inside,
        "expected_inside": account.expected,
        "overlap": account.overlap,
        "overlap_with": account.overlap_with,
        "gt_id": mistake.gt_id,
        "track_id": mistake.track_id,
        "method": account.heat.method,
        "file": file,
        "sentence": sentence,
    }
