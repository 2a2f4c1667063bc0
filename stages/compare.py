"""Says whether two runs differ by more than chance: ``python -m stages.compare A B``.

A and B are two revisions (commits, branches, tags, DVC experiments, or `workspace`): plots/compare.html is then the
report's page of both, side by side, params that differ first. Or they are two runs of a tracker:

CHECKPOINT/TRACKER of this workspace, or REV:CHECKPOINT/TRACKER of a revision (DVC's cache or remote has its scores).
``--label NAME`` compares one class instead of all pooled. TRACKER.post is what the tracker's post-processing made.

Of these it reads plots/scores/CHECKPOINT/TRACKER/parts.csv. It prints, for every source that both have, HOTA, MOTA and
IDF1 of A and of B, and the difference with its 95 % interval by a paired bootstrap over sequences. Both must have been
scored over the same sequences and the same ground truth. Of twenty intervals at 95 %, one leaves out 0 by luck: choose
the metric before you look.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from stages.errors import InputError, run_stage
from stages.files import write_text
from stages.scoring.bootstrap import FEWEST, Difference, differences
from stages.scoring.parts import Parts, parse_parts, read_parts

PAGE = Path("plots/compare.html")
_POST = ".post"


def main(a: str, b: str, *, label: str = "") -> None:
    """Compare ``b`` with ``a``: two runs, or two revisions."""
    if not label and not any(_is_run(name) for name in (a, b)):
        write_page(a, b)
    else:
        compare_runs(a, b, label)


def _is_run(name: str) -> bool:
    """Whether ``name`` is CHECKPOINT/TRACKER, of here or of a revision, and no revision such as origin/main."""
    checkpoint, slash, _ = name.partition("/")
    if ":" in name or not slash:
        return ":" in name
    if Path("plots/scores", checkpoint).is_dir():
        return True
    from stages.reporting.revisions import is_revision

    return not is_revision(name)


def write_page(a: str, b: str) -> None:
    """Write plots/compare.html."""
    from stages.reporting.comparing import compared
    from stages.reporting.page import render
    from stages.reporting.revisions import run_of

    with TemporaryDirectory() as folder:
        runs = [run_of(name, Path(folder, str(number))) for number, name in enumerate((a, b))]
        page = render(f"Skyward: {a} and {b}", compared(*runs))
    write_text(PAGE, page)
    print(PAGE)


def compare_runs(a: str, b: str, label: str) -> None:
    """Print the differences of two trackers' runs, of class ``label`` or of all."""
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
        yield f"  {each.metric}  {numbers}  {each.sentence}"


if __name__ == "__main__":
    run_stage(main)
