"""The graph in README.md is that of dvc.yaml."""

from __future__ import annotations

from pathlib import Path

from tests.docs.dag import closure, drawn, dvc_dag, main, mermaid, reduced, with_graph
from tests.footage import ROOT

README = (ROOT / "README.md").read_text()
HINT = "`python -m tests.docs.dag` writes the graph anew"


def test_the_readme_draws_what_dvc_says():
    stages, edges = dvc_dag()
    shown, arrows = drawn(README)
    assert sorted(shown) == stages, HINT
    assert closure(arrows) == closure(edges), HINT
    assert arrows == reduced(edges), HINT
    assert with_graph(README, mermaid(stages, arrows)) == README


def test_every_stage_has_a_row_in_the_table():
    stages, _ = dvc_dag()
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    told = {name.split("@")[0] for row in rows for name in row.replace("`", "").strip().split(", ")}
    assert set(stages) <= told


def test_what_follows_is_left_out_and_nothing_else():
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("c", "c"), ("a", "d")}
    assert reduced(edges) == {("a", "b"), ("b", "c"), ("c", "c"), ("a", "d")}
    assert closure(reduced(edges)) == closure(edges) == edges
    assert mermaid(["a", "b", "e"], {("a", "b")}) == "```mermaid\nflowchart TD\n    e\n    a --> b\n```\n"


def test_the_command_writes_it(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text(with_graph(README, "```mermaid\nflowchart TD\n    old --> older\n```\n"))
    main(page)
    assert page.read_text() == README
