"""The chain of checkpoints behind a checkpoint, each checked against what the card of its child says of it."""

from __future__ import annotations

import csv
import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.detectors.card import Card, load_card
from stages.errors import InputError
from stages.files import sha256_of

WIDTH = 100
_LABEL = 13
_NAMES = 8  # tensors that are named
_BRIEF = 30  # characters of a setting that shares a line
_SHORT = ("epochs", "steps", "effective_batch", "optimizer", "precision")  # settings that share a line


@dataclass(frozen=True)
class Link:
    """A checkpoint of the chain: its folder, its card if there is one, and what is wrong with it, if anything.

    ``expected`` is the sha256 of its weights that its child's card gives; "" for the first of the chain.
    """

    folder: Path
    card: Card | None
    expected: str = ""
    problem: str = ""


def trace(folder: Path) -> list[Link]:
    """The checkpoint in ``folder`` and those before it; raises `InputError` where the first has no card.

    A parent is looked for beside its child. The chain ends with a checkpoint without parent, or where it is broken.
    """
    if folder.name in ("", ".."):  # as in `.`: nothing lies beside it by name
        folder = folder.resolve()
    card = load_card(folder)
    links = [Link(folder, card, problem=_wrong_weights(folder, card))]
    while links[-1].card is not None and links[-1].card.parent is not None:
        parent = links[-1].card.parent
        links.append(_link(folder.parent / parent["name"], parent["sha256"], links))
    return links


def _link(folder: Path, expected: str, children: list[Link]) -> Link:
    if folder in [child.folder for child in children]:
        return Link(folder, None, expected, "comes before itself")
    try:
        card = load_card(folder)
    except InputError as error:
        return Link(folder, None, expected, error.what)
    problem = _wrong_weights(folder, card)
    if not problem and card.sha256 != expected:
        problem = f"other weights than those that {children[-1].folder} was trained from"
    return Link(folder, card, expected, problem)


def _wrong_weights(folder: Path, card: Card) -> str:
    path = folder / "model.safetensors"
    if not path.is_file():
        return "no weights beside the card"
    return "" if sha256_of(path) == card.sha256 else "not the weights of its card (sha256 differs)"


def require_unbroken(chain: list[Link]) -> None:
    """Raise `InputError` for the first link that is not what it should be."""
    for link in chain:
        if link.problem:
            remedy = "run `dvc checkout` for the files of this commit, or `dvc repro`"
            raise InputError(str(link.folder), f"the chain is broken: {link.problem}", remedy)


def to_text(chain: list[Link]) -> str:
    """The chain to read, at most `WIDTH` columns wide."""
    root = chain[0].folder.absolute().parent.parent
    scores = _read_scores(root / "metrics/curriculum.json")
    blocks = []
    for link in chain:
        lines = [str(link.folder), *(_lines("BROKEN", link.problem) if link.problem else [])]
        if link.expected:
            proven = "" if link.problem else ", and of this file"
            lines += _lines("as parent", f"sha256 {link.expected[:16]} in its child's card{proven}")
        if link.card is not None:
            for label, text in _describe(link, root, scores):
                lines += _lines(label, text)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _lines(label: str, text: str) -> list[str]:
    first, rest = f"  {label:<{_LABEL - 2}}", " " * _LABEL
    lines = []
    for number, line in enumerate(text.splitlines()):
        lines += textwrap.wrap(line, WIDTH, initial_indent=rest if number else first, subsequent_indent=f"{rest}  ")
    return lines


def _describe(link: Link, root: Path, scores: dict) -> Iterator[tuple[str, str]]:
    """Labels and what they say; texts may have several lines."""
    card, name = link.card, link.folder.name
    network = card.architecture
    if link.problem or not link.expected:
        yield "weights", f"sha256 {card.sha256[:16]}" + (" in its card" if link.problem else "")
    yield "network", f"{network.family} {network.model}, {card.image_size} px: {', '.join(network.classes)}"
    if card.parent is not None:
        yield "data", _data(root / "data/mixtures" / name, card.settings.get("mixture"))
    if card.settings:
        yield from _settings(card.settings)
    if card.handoff:
        yield "hand-off", _handoff(card.handoff)
    if card.selected:
        yield "validation", _selected(card.selected)
    if name in scores:
        yield "test", _table(scores[name])
    if name in scores.get("forgetting", {}):
        lost = scores["forgetting"][name]
        yield "forgetting", ", ".join(f"{source} {_number(value)}" for source, value in lost.items())


def _data(folder: Path, trained: dict | None) -> str:
    """Frames by source as the mixture on disk has them, and whether it is the one that the card names, if it does."""
    path = folder / "clips.csv"
    if not path.is_file():
        return f"no mixture {folder.name} here: run `dvc checkout` to see what it was"
    frames: dict[str, Counter] = {"train": Counter(), "val": Counter()}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            frames[row["split"]][row["source"]] += len(row["frames"].split())
    train, val = (", ".join(f"{source} {count}" for source, count in part.items()) for part in frames.values())
    text = f"{train or 'no'} frames; validation {val or 'none'}"
    if trained and trained.get("sha256") and trained["sha256"] != sha256_of(path):
        text += "\nthis mixture is not the one that it was trained on: the file has changed since"
    return text


def _settings(settings: dict) -> Iterator[tuple[str, str]]:
    known = {key.replace("_", " "): settings[key] for key in _SHORT if key in settings}
    if known:
        yield "training", _value(known)
    rates: dict[str, dict] = {}
    for group in settings.get("groups", ()):
        rates.setdefault(group["part"], {})[_number(group.get("base_lr", group.get("lr")))] = True
    if rates:
        yield "lr", ", ".join(f"{part} {'/'.join(values)}" for part, values in rates.items())
    if "origin" in settings:
        yield "origin", "\n".join(f"{key} {_value(value)}" for key, value in settings["origin"].items())
    others = {key: value for key, value in settings.items() if key not in (*_SHORT, "origin", "groups", "lr_by_epoch")}
    if others:
        short = {key: value for key, value in others.items() if len(str(value)) <= _BRIEF and _is_plain(value)}
        long = [f"{key} {_value(value)}" for key, value in others.items() if key not in short]
        yield "settings", "\n".join([_value(short), *long] if short else long)


def _is_plain(value: object) -> bool:
    return not isinstance(value, (dict, list))


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return _number(value)


def _handoff(handoff: dict) -> str:
    tensors = ", ".join(f"{count} {kind}" for kind, count in handoff.get("tensors", {}).items())
    lines = [f"{handoff['share']:.2%} of the numbers; tensors: {tensors}"]
    for kind in ("reshaped", "new", "dropped"):
        names = handoff.get(kind, [])
        more = [f"and {len(names) - _NAMES} more"] if len(names) > _NAMES else []
        if names:
            lines.append(f"{kind}: {', '.join([*names[:_NAMES], *more])}")
    classes = ", ".join(handoff.get("carried_classes", ())) or "none"
    new = ", ".join(handoff.get("new_classes", ()))
    return "\n".join([*lines, f"classes carried: {classes}" + (f"; new: {new}" if new else "")])


def _selected(selected: dict) -> str:
    rest = {key: value for key, value in selected.items() if key not in ("metric", "score", "epoch")}
    told = ", ".join(f"{key} {_value(value)}" for key, value in rest.items())
    return f"{selected.get('metric')} {_number(selected.get('score'))} at epoch {selected.get('epoch')}; {told}"


def _table(scores: dict) -> str:
    """A line for every source, its scores in columns."""
    wide = max(map(len, scores))
    return "\n".join(
        f"{source:<{wide}}  " + "  ".join(f"{name} {_number(value):<7}" for name, value in row.items()).rstrip()
        for source, row in scores.items()
    )


def _read_scores(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(str(path), f"no JSON ({error})", "delete it and run `dvc repro plot`") from None


def _number(value: object) -> str:
    words = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
