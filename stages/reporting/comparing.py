"""Two runs on one page: params that differ first, then scores and their differences, then everything side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from stages.errors import InputError
from stages.reporting.axes import share_axes
from stages.reporting.blocks import Block, Note, Section, Table
from stages.reporting.inlining import BUDGET, Inlined
from stages.reporting.page import Row, beside
from stages.reporting.run import Run
from stages.reporting.sections import sections
from stages.scoring.bootstrap import NO_DIFFERENCE, Difference, differences, plain_differences
from stages.scoring.parts import Parts, read_parts

Leaves = dict[str, object]


def compared(first: Run, second: Run) -> list[Row]:
    """The rows of the page; pictures of each run take half of what a page may hold."""
    shown = tuple(dict.fromkeys([*first.checkpoints, *second.checkpoints]))
    first, second = replace(first, shown=shown), replace(second, shown=shown)
    rows = [Section("params", "Params that differ", [_params(first, second)])]
    rows.append(Section("scores", "Scores that differ", [_scores(first, second)]))
    pages = [sections(run, Inlined(BUDGET // 2)) for run in (first, second)]
    share_axes(*pages)
    return [*beside(rows), *beside(*pages)]


def _params(first: Run, second: Run) -> Block:
    rows = changed(yaml.safe_load(first.text), yaml.safe_load(second.text))
    if not rows:
        return Note("None: both runs have the same params.")
    return Table(f"{len(rows)} keys of params.yaml", ["key", first.label, second.label], [list(row) for row in rows])


def changed(first: object, second: object) -> list[tuple[str, str, str]]:
    """Keys whose values differ, as dotted paths, with both values as JSON; `not set` where one has none."""
    before, after = dict(_leaves(first, "")), dict(_leaves(second, ""))
    pairs = ((key, _shown(before, key), _shown(after, key)) for key in dict.fromkeys([*before, *after]))
    return [(key, a, b) for key, a, b in pairs if a != b]


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _shown(leaves: Leaves, key: str) -> str:
    return json.dumps(leaves[key], ensure_ascii=False, default=str) if key in leaves else "not set"


def _scores(first: Run, second: Run) -> Block:
    rows = [
        [checkpoint, tracker, source, found.metric, *_numbers(found), _verdict(found)]
        for checkpoint in first.params.evaluation.checkpoints
        for tracker in first.params.trackers
        for source, found in _differences(first, second, Path("plots/scores", checkpoint, tracker, "parts.csv"))
    ]
    if not rows:
        return Note("No checkpoint and tracker of both were scored over the same sequences and ground truth.")
    compared, rows = len(rows), [row for row in rows if row[-1] != NO_DIFFERENCE]
    if not rows:
        return Note(f"None of {compared}.")
    columns = ["checkpoint", "tracker", "source", "metric", first.label, second.label, "difference", "95 %", "verdict"]
    return Table("All classes pooled; intervals by a paired bootstrap over sequences", columns, rows)


def _differences(first: Run, second: Run, path: Path) -> Iterator[tuple[str, Difference]]:
    try:
        before, after = read_parts(first.root / path), read_parts(second.root / path)
    except InputError:
        return  # one of the two has no such run
    for source in before:
        if source in after and _comparable(before[source], after[source]):
            for each in differences(before[source], after[source]) or plain_differences(before[source], after[source]):
                yield source, each


def _comparable(first: Parts, second: Parts) -> bool:
    same = first.sequences == second.sequences and first.classes == second.classes
    return same and bool((first.targets == second.targets).all())


def _numbers(found: Difference) -> list[float | str | None]:
    known = found.low == found.low
    bounds = f"{found.low:+.4f} to {found.high:+.4f}" if known else None
    return [
        *(None if value != value else round(value, 4) for value in (found.first, found.second, found.value)),
        bounds,
    ]


def _verdict(found: Difference) -> str:
    if found.low != found.low and found.first != found.second:
        return "no interval: too few sequences"
    return found.sentence
