"""docs/extending.md: its files and edits, put into a copy of the project, pass the page's own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.footage import ROOT

PAGE = ROOT / "docs/extending.md"
TESTS = ["tests/detectors/test_grid.py", "tests/tracking/test_nearest.py", "tests/formats/test_trail.py"]


def apply_edit(text: str, edit: str) -> str:
    """``text`` with one edit: lines of " " and "-" are looked for, and those of " " and "+" stand there then."""
    lines = [line for line in edit.splitlines() if line]
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    assert text.count(before) == 1, f"{text.count(before)} places for\n{before}"
    return text.replace(before, after)


def put_in(folder: Path) -> list[str]:
    """Write the page's files into ``folder`` and make its edits; returns the files' names."""
    written = []
    for block in blocks(PAGE):
        first, _, rest = block.text.partition("\n")
        if block.language == "python":
            name = first.removeprefix("# ")
            assert not (folder / name).exists(), f"{name} is there already"
            (folder / name).write_text(rest)
            written.append(name)
        elif block.language == "diff":
            path = folder / first.removeprefix("--- ")
            path.write_text(apply_edit(path.read_text(), rest))
    return written


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with all that the page adds."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("stages", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "params.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    written = put_in(folder)
    assert [name for name in written if name.startswith("tests/")] == TESTS
    return folder


def test_the_pages_tests_pass_in_the_copy(copy: Path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=copy,
        env=environment | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "14 passed" in done.stdout


def test_the_pages_code_is_in_the_projects_style(copy: Path):
    files = [block.text.partition("\n")[0].removeprefix("# ") for block in blocks(PAGE, "python")]
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", *files], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_edit_that_finds_no_place_or_two_is_an_error():
    assert apply_edit("a\nb\nc\n", " a\n-b\n+d\n") == "a\nd\nc\n"
    for text in ("a\nc\n", "a\nb\na\nb\n"):
        with pytest.raises(AssertionError):
            apply_edit(text, " a\n-b\n+d\n")
