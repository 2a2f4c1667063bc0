"""Says whether two runs differ by more than chance: ``python -m stages.compare A B``.

A and B are CHECKPOINT/TRACKER of this workspace, or REV:CHECKPOINT/TRACKER of a git revision (a commit, branch or tag;
DVC's cache or remote has its scores). ``--label NAME`` compares one class instead of all pooled. TRACKER.post is what
the tracker's post-processing made.

Reads plots/scores/CHECKPOINT/TRACKER/parts.csv of both and prints, for every source that both have, HOTA, MOTA and IDF1
of A and of B, and the difference with its 95 % interval by a paired bootstrap over sequences. Both must have been
scored over the same sequences and the same ground truth. Of twenty intervals at 95 %, one leaves out 0 by luck: choose
the metric before you look.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.errors import InputError, run_stage
from stages.scoring.bootstrap import FEWEST, Difference, differences
from stages.scoring.parts import Parts, parse_parts, read_parts

_POST = ".post"


def main(a: str, b: str, *, label: str = "") -> None:
    """Compare run ``b`` with run ``a``."""
    first, second = read_run(a), read_run(b)
    compared = {}
    for source in first:
        if source in second:
            _require_same(a, b, source, first[source], second[source])
            _require_class(a, source, first[source], label)
            compared[source] = differences(first[source], second[source], label or None)
    if not compared:
        raise InputError(b, f"no source in common with {a}", "compare runs over the same sources")
    if not any(compared.values()):
        what = f"no source has {FEWEST} test sequences with ground truth, which a bootstrap needs"
        raise InputError(f"{a}, {b}", what, "give a source more test sequences in params.yaml")
    print(f"{a} -> {b}, {label or 'all classes pooled'}: difference and its 95 % interval")
    for source, found in compared.items():
        print("\n".join(lines(source, len(first[source].sequences), found)))


def read_run(name: str) -> dict[str, Parts]:
    """The sums of the run ``name``, by source; `InputError` says what is wrong with the name or its scores."""
    revision, _, run = name.rpartition(":")
    checkpoint, _, tracker = run.partition("/")
    if not checkpoint or not tracker or "/" in tracker:
        raise InputError(name, "not a run", "give CHECKPOINT/TRACKER, or REV:CHECKPOINT/TRACKER")
    path = Path("plots/scores", checkpoint, tracker.removesuffix(_POST), "parts.csv")
    table = _read_revision(revision, path) if revision else read_parts(path)
    post = tracker.endswith(_POST)
    chosen = {source.removesuffix(_POST): parts for source, parts in table.items() if source.endswith(_POST) == post}
    if not chosen:
        raise InputError(name, f"{path} has no such tracks", "set the tracker's `postprocess`, or leave .post away")
    return chosen


def _read_revision(revision: str, path: Path) -> dict[str, Parts]:
    import dvc.api  # 1 s, which runs of the workspace need not spend

    where = f"{revision}:{path}"
    try:
        text = dvc.api.read(path.as_posix(), rev=revision)
    except Exception as error:  # DVC, git and every kind of remote have errors of their own
        reason = " ".join(str(error.__cause__ or error).split())[:120]
        what = f"cannot be read ({reason})"
        raise InputError(where, what, "check the name, or run `dvc fetch --all-commits`") from None
    return parse_parts(text, where)


def _require_same(a: str, b: str, source: str, first: Parts, second: Parts) -> None:
    pair = f"{a}, {b}: {source}"
    if first.sequences != second.sequences:
        other = sorted(set(first.sequences) ^ set(second.sequences)) or [first.sequences[0]]
        what = f"scored over other sequences ({', '.join(other[:3])}{', ...' if len(other) > 3 else ''})"
        raise InputError(pair, what, "score both over the same test split")
    if first.classes != second.classes or (first.targets != second.targets).any():
        raise InputError(pair, "scored against other ground truth", "use the same classes and protocol for both")


def _require_class(a: str, source: str, parts: Parts, label: str) -> None:
    if label and label not in parts.classes:
        raise InputError(f"--label {label}", f"no such class in {a}", f"{source} has {', '.join(parts.classes)}")


def lines(source: str, sequences: int, found: list[Difference] | None) -> Iterator[str]:
    """What is printed of one source."""
    yield f"{source}, {sequences} sequences"
    if found is None:
        yield f"  no interval: fewer than {FEWEST} sequences have ground truth"
        return
    for each in found:
        numbers = f"{each.first:.4f} -> {each.second:.4f}  {each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"
        yield f"  {each.metric}  {numbers}  {sentence(each)}"


def sentence(found: Difference) -> str:
    """Whether the difference is larger than chance, in words."""
    if found.first == found.second and found.low == found.high:
        return "no difference"
    if not found.beyond_chance:
        return "not larger than chance"
    return f"{'better' if found.value > 0 else 'worse'}, by more than chance"


if __name__ == "__main__":
    run_stage(main)
