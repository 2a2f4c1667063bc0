"""The hand-off: what a stage's network takes over from its parent, tensor by tensor, and proof of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from stages.detectors.base import ClassRows, Detector
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


@dataclass(frozen=True)
class _Classes:
    """The classes of parent and child, and the pairs of (child's, parent's) numbers of those that both know."""

    parent: int
    child: int
    pairs: list[tuple[int, int]]


def hand_over(child: Detector, tensors: dict[str, torch.Tensor], classes: tuple[str, ...]) -> HandoffReport:
    """Load a parent's ``tensors``, a network of ``classes``, into ``child``; the report counts numbers, not names.

    Where parent and child have the same classes in the same order, all tensors are taken as they are. A class that the
    parent names twice counts where it is named first.
    """
    names, state = child.architecture.classes, child.network.state_dict()
    layouts = child.class_tensors() if names != classes else {}
    pairs = [(new, classes.index(name)) for new, name in enumerate(names) if name in classes]
    both = _Classes(len(classes), len(names), pairs)
    kinds: dict[str, list[str]] = {"loaded": [], "reshaped": [], "new": []}
    given = 0
    for name, tensor in state.items():
        kind, count = _take(tensor, tensors.get(name), layouts.get(name), both)
        kinds[kind].append(name)
        given += count
    child.network.load_state_dict(state)
    carried = [names[new] for new, _ in pairs]
    return HandoffReport(
        **kinds,
        dropped=[name for name in tensors if name not in state],
        carried_classes=carried,
        new_classes=[name for name in names if name not in carried],
        share=round(given / sum(tensor.numel() for tensor in state.values()), 6),
    )


def _take(
    tensor: torch.Tensor, parent: torch.Tensor | None, layout: ClassRows | None, classes: _Classes
) -> tuple[str, int]:
    """Copy what fits of ``parent`` into ``tensor``; returns the kind, and how many numbers were copied."""
    if parent is None:
        return "new", 0
    if layout is not None:
        count = _take_rows(tensor, parent, layout, classes)
        return ("reshaped" if count else "new"), count
    if parent.shape != tensor.shape:
        return "new", 0
    tensor.copy_(parent)
    return "loaded", tensor.numel()


def _take_rows(tensor: torch.Tensor, parent: torch.Tensor, layout: ClassRows, classes: _Classes) -> int:
    """Copy the rows of background and of the classes that both know; returns how many numbers were copied."""
    outside = layout.before + layout.behind
    theirs = outside + classes.parent
    if parent.shape != (layout.repeats * theirs * layout.each, *tensor.shape[1:]):
        return 0
    before, behind = range(layout.before), range(layout.behind)
    rows = [
        *((row, row) for row in before),
        *((layout.before + new, layout.before + old) for new, old in classes.pairs),
        *((layout.before + classes.child + row, layout.before + classes.parent + row) for row in behind),
    ]
    if not rows:
        return 0
    # (repeats, rows, each, ...): a view of the network's own tensor.
    own = tensor.view(layout.repeats, outside + classes.child, layout.each, *tensor.shape[1:])
    given = parent.reshape(layout.repeats, theirs, layout.each, *parent.shape[1:])
    new, old = (torch.tensor(numbers) for numbers in zip(*rows, strict=True))
    own[:, new] = given[:, old].to(own.dtype)
    return len(rows) * own[:, 0].numel()


def require_share(report: HandoffReport, least: float, where: str) -> None:
    """Raise `InputError` where the parent gave less than the share asked for."""
    if report.share < least:
        given = round(report.share * 1e6) // 1000 / 10  # rounded down: 100 % are all
        what = f"the parent gave {given}% of the weights, {100 * least:g}% are asked for (min_loaded)"
        missing = ", ".join(report.new[:3]) or "class rows"
        raise InputError(where, what, f"first tensors not given: {missing}: check detector.model and weights")
