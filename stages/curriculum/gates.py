"""Gates: bounds on what a curriculum may lose on a source, `gates` in params.yaml, held against its summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.params import Params


@dataclass(frozen=True)
class Bound:
    """One bound of a gate and how it stands."""

    source: str
    name: str  # the key in params.yaml
    limit: float
    value: float | None  # None: there is nothing to measure it by
    checkpoint: str | None  # whose value that is
    fail: bool

    @property
    def excess(self) -> float:
        """By how much the bound is broken; positive is broken, and without a value infinitely so."""
        if self.value is None:
            return float("inf")
        return self.value - self.limit if self.name.startswith("max") else self.limit - self.value

    @property
    def kept(self) -> bool:
        """Whether the bound is kept; one that cannot be measured is not."""
        return self.excess <= 0

    @property
    def said(self) -> str:
        """Value, checkpoint and limit in words."""
        limit = f"{'at most' if self.name.startswith('max') else 'at least'} {self.limit:g}"
        return f"not measured, {limit}" if self.value is None else f"{self.value:g} after {self.checkpoint}, {limit}"

    @property
    def row(self) -> dict[str, object]:
        """What metrics/gates.json says of the bound."""
        return {
            "source": self.source,
            "bound": self.name,
            "limit": self.limit,
            "value": self.value,
            "checkpoint": self.checkpoint,
            "kept": self.kept,
            "fail": self.fail,
        }


def bounds(params: Params, summary: dict[str, dict]) -> Iterator[Bound]:
    """Every bound of every gate, as params.yaml lists them, by the ``summary`` in metrics/curriculum.json.

    `max_forgetting` is held against the most that any evaluated stage forgot of the source's HOTA, `min_HOTA` against
    the last evaluated checkpoint.
    """
    last = params.evaluation.checkpoints[-1]
    for source, gate in params.gates.items():
        if gate.max_forgetting is not None:
            lost = {stage: of[source] for stage, of in summary["forgetting"].items() if source in of}
            worst = max(lost, key=lambda stage: lost[stage], default=None)
            yield Bound(source, "max_forgetting", gate.max_forgetting, lost.get(worst), worst, gate.fail)
        if gate.min_HOTA is not None:
            hota = summary[last].get(source, {}).get("HOTA")
            yield Bound(source, "min_HOTA", gate.min_HOTA, hota, last, gate.fail)
