"""The graph of README.md: what `dvc dag` says of dvc.yaml, in as few arrows as say the same.

`python -m tests.docs.dag` writes it into README.md.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.footage import ROOT
from tests.pipeline import BIN

Edges = set[tuple[str, str]]

_BEGIN = "<!-- dag: written by `python -m tests.docs.dag` -->\n"
_END = "<!-- end of dag -->"


@cache
def dvc_dag() -> tuple[list[str], Edges]:
    """Stages, sorted, and dependencies (before, after), those of one `foreach` or `matrix` as one, as DVC has them."""
    command = [str(BIN / "dvc"), "dag", "--mermaid", "--collapse-foreach-matrix"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = dict(re.findall(r'(node\d+)\["(.+?)"\]', done.stdout))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(node\d+)-->(node\d+)", done.stdout)}
    return sorted(names.values()), edges


def reduced(edges: Edges) -> Edges:
    """The edges that do not follow from others; a stage that depends on others of its kind keeps its own arrow."""
    own = {(a, b) for a, b in edges if a == b}
    plain = edges - own
    return own | {(a, b) for a, b in plain if b not in _reachable(plain - {(a, b)}, a)}


def closure(edges: Edges) -> Edges:
    """All that follows from ``edges``."""
    return {(a, b) for a in {a for a, _ in edges} for b in _reachable(edges, a)}


def _reachable(edges: Edges, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        new = {b for a, b in edges if a == here} - found
        found |= new
        waiting += new
    return found


def mermaid(stages: list[str], edges: Edges) -> str:
    """The block that README.md holds."""
    lines = [f"    {stage}" for stage in stages if all(stage not in edge for edge in edges)]
    lines += [f"    {a} --> {b}" for a, b in sorted(edges)]
    return "```mermaid\nflowchart TD\n" + "\n".join(lines) + "\n```\n"


def drawn(page: str) -> tuple[set[str], Edges]:
    """Stages and arrows of the graph in a page's text."""
    block = page[page.index(_BEGIN) : page.index(_END)]
    edges = set(re.findall(r"^\s+(\w+) --> (\w+)$", block, re.MULTILINE))
    alone = set(re.findall(r"^\s+(\w+)$", block, re.MULTILINE))
    return alone | {stage for edge in edges for stage in edge}, edges


def with_graph(page: str, graph: str) -> str:
    """A page's text with its graph replaced."""
    return page[: page.index(_BEGIN)] + _BEGIN + graph + page[page.index(_END) :]


def main(path: Path = ROOT / "README.md") -> None:
    """Write the graph into README.md."""
    stages, edges = dvc_dag()
    path.write_text(with_graph(path.read_text(), mermaid(stages, reduced(edges))))


if __name__ == "__main__":
    main()
