"""The curriculum in one screen, metrics/curriculum.json, and in full, plots/matrix.csv."""

from __future__ import annotations

from stages.curriculum.results import SCORES, Result, first_tracker, matrix_of, own_sources, trained_on
from stages.curriculum.transfer import backward_transfer, forgetting, forward_transfer, means
from stages.params import Params

MATRIX_COLUMNS = (
    "metric",
    "checkpoint",
    "source",
    "trained",  # `here` in the checkpoint's own stage, `before` in one before it, or empty
    "value",
    "forgetting",
    "backward_transfer",
    "forward_transfer",  # of the stage before the checkpoint's
)


def summarise(params: Params, results: list[Result]) -> dict[str, dict]:
    """What metrics/curriculum.json holds, 4 digits, with the first tracker.

    Checkpoint to source to scores; and of HOTA, stage to source to `forgetting`, and stage to the means of
    `backward_transfer` and `forward_transfer`.
    """
    summary: dict[str, dict] = {checkpoint: {} for checkpoint in params.evaluation.checkpoints}
    for result in first_tracker(params, results):
        summary[result.checkpoint][result.source] = {name: _rounded(value) for name, value in result.scores.items()}
    hota = matrix_of(params, results, "HOTA")
    return summary | {
        "forgetting": forgetting(params, hota),
        "backward_transfer": means(backward_transfer(params, hota)),
        "forward_transfer": means(forward_transfer(params, hota)),
    }


def matrix_table(params: Params, results: list[Result]) -> list[dict[str, object]]:
    """Rows of `MATRIX_COLUMNS`: every metric of every checkpoint on every source, with the first tracker."""
    rows: list[dict[str, object]] = []
    for metric in SCORES:
        matrix = matrix_of(params, results, metric)
        cells = {
            "forgetting": forgetting(params, matrix),
            "backward_transfer": backward_transfer(params, matrix),
            "forward_transfer": forward_transfer(params, matrix),
        }
        for checkpoint, sources in matrix.items():
            for source, value in sources.items():
                row = {"metric": metric, "checkpoint": checkpoint, "source": source, "value": value}
                moved = {name: of.get(checkpoint, {}).get(source) for name, of in cells.items()}
                rows.append(row | {"trained": _trained(params, checkpoint, source)} | moved)
    return rows


def _trained(params: Params, checkpoint: str, source: str) -> str:
    if source in own_sources(params, checkpoint):
        return "here"
    return "before" if source in trained_on(params, checkpoint) else ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
