"""The hand-off: what a stage's network takes over from its parent, tensor by tensor, and proof of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from stages.detectors.base import Detector
from stages.errors import InputError


@dataclass(frozen=True)
class HandoffReport:
    """Names of tensors by what became of them, and the share of the network's numbers that the parent gave.

    ``reshaped``: class tensors whose rows were re-mapped by class name; ``new``: kept their fresh weights;
    ``dropped``: the parent's tensors that have no place here.
    """

    loaded: list[str]
    reshaped: list[str]
    new: list[str]
    dropped: list[str]
    carried_classes: list[str]
    new_classes: list[str]
    share: float

    def card(self) -> dict:
        """For card.json: counts, and the names wherever a tensor was not simply loaded."""
        report = asdict(self)
        return {"tensors": {kind: len(report[kind]) for kind in ("loaded", "reshaped", "new", "dropped")}} | {
            kind: names for kind, names in report.items() if kind != "loaded"
        }


def hand_over(child: Detector, tensors: dict[str, torch.Tensor], classes: tuple[str, ...]) -> HandoffReport:
    """Load a parent's ``tensors``, a network of ``classes``, into ``child``; the report counts numbers, not names."""
    state = child.network.state_dict()
    class_tensors = child.class_tensors()
    rows = [(new, classes.index(name)) for new, name in enumerate(child.architecture.classes) if name in classes]
    kinds: dict[str, list[str]] = {"loaded": [], "reshaped": [], "new": []}
    given = 0
    for name, tensor in state.items():
        kind, count = _take(tensor, tensors.get(name), rows if name in class_tensors else None, classes, child)
        kinds[kind].append(name)
        given += count
    child.network.load_state_dict(state)
    carried = [child.architecture.classes[new] for new, _ in rows]
    return HandoffReport(
        **kinds,
        dropped=[name for name in tensors if name not in state],
        carried_classes=carried,
        new_classes=[name for name in child.architecture.classes if name not in carried],
        share=round(given / sum(tensor.numel() for tensor in state.values()), 6),
    )


def _take(
    tensor: torch.Tensor, parent: torch.Tensor | None, rows: list | None, classes: tuple[str, ...], child: Detector
) -> tuple[str, int]:
    """Copy what fits of ``parent`` into ``tensor``; returns the kind, and how many numbers were copied."""
    if parent is None:
        return "new", 0
    if rows is not None and child.architecture.classes != classes:
        if parent.shape[1:] != tensor.shape[1:] or not rows:
            return "new", 0
        for new, old in rows:
            tensor[new] = parent[old]
        return "reshaped", len(rows) * tensor[0].numel()
    if parent.shape != tensor.shape:
        return "new", 0
    tensor.copy_(parent)
    return "loaded", tensor.numel()


def require_share(report: HandoffReport, least: float, where: str) -> None:
    """Raise `InputError` where the parent gave less than the share asked for."""
    if report.share < least:
        what = f"the parent gave {report.share:.1%} of the weights, {least:.0%} are asked for (min_loaded)"
        missing = ", ".join(report.new[:3]) or "class rows"
        raise InputError(where, what, f"first tensors not given: {missing}: check detector.model and weights")
