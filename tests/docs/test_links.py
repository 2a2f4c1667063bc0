"""Links, headings and paths in README.md and docs/: all lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import PAGES, prose
from tests.footage import ROOT

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<![\w/.-])((?:stages|tests|benchmarks|presets|docs|\.dvc)/[\w./*-]*)")
_DATA = re.compile(r"(?<![\w/.-])((?:data|models|metrics|plots)/[\w.*/-]+)")
# What is not an output of the pipeline: what a user brings, and what commands beside it write.
BESIDE = ("data/raw", "plots/compare.html")


def links() -> list[tuple[Path, str]]:
    return [(page, target) for page in PAGES for target in _LINK.findall(prose(page))]


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path):
    for target in (target for of, target in links() if of == page and "://" not in target):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in slugs(file), f"{page.name}: {target}"


def test_links_to_elsewhere_are_safe():
    away = [target for _, target in links() if "://" in target]
    assert away and all(target.startswith("https://") for target in away)


def test_pictures_have_a_text():
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert [path for _, path in pictures] == ["docs/images/forgetting.png", "docs/images/diagnosis.png"]
    assert all(len(text) > 20 for text, _ in pictures)


def test_every_page_is_reached_from_the_readme():
    found = {target.partition("#")[0] for page, target in links() if page.name == "README.md"}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= found
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "presets").glob("*.yaml")} <= found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_code_exist(page: Path):
    found = _CODE.findall(re.sub(r"\]\([^)]*\)|https?://\S+", "]", prose(page)))
    own = [path for path in found if not path.startswith(".dvc/tmp/")]  # what DVC makes as it runs
    missing = [path for path in own if not any(ROOT.glob(_plain(path))) and "NAME" not in path]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_data_are_outputs_of_the_pipeline(page: Path):
    made = outputs()
    found = _DATA.findall(re.sub(r"\]\([^)]*\)|https?://\S+", "]", prose(page)))
    assert [path for path in found if not _made(_plain(path), made)] == []


def outputs() -> list[list[str]]:
    """The parts of every output's path in dvc.yaml; what its items fill in is a *."""
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    paths: list[str] = []
    for stage in document["stages"].values():
        stage = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            paths += [next(iter(out)) if isinstance(out, dict) else out for out in stage.get(kind, [])]
    return [re.sub(r"\$\{[^}]+\}", "*", path).split("/") for path in paths]


def _plain(path: str) -> str:
    return path.rstrip("/.")


def _made(path: str, made: list[list[str]]) -> bool:
    """Whether a path is an output, or lies in one, or above one; names in capitals are placeholders."""
    if path.startswith(BESIDE):
        return True
    parts = path.split("/")
    return any(all(_same(a, b) for a, b in zip(parts, output, strict=False)) for output in made)


def _same(said: str, made: str) -> bool:
    pattern = re.escape(re.sub(r"\b[A-Z]{2,}\b", "*", said)).replace(r"\*", ".+")
    return made == "*" or bool(re.fullmatch(pattern, made)) or bool(re.fullmatch(made.replace("*", ".+"), said))


def test_a_path_that_nothing_makes_is_noticed():
    made = outputs()
    assert _made("metrics/scores/CHECKPOINT/TRACKER.json", made) and _made("plots/*.png", made)
    for path in ("metrics/score/CHECKPOINT/TRACKER.json", "plots/hota.svg", "models_/STAGE", "data/mixture/STAGE"):
        assert not _made(path, made), path
