"""`python -m stages.compare REV_A REV_B`: the page of two revisions, from git and DVC's cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from browser import needs_chromium, opened
from dvc.repo import Repo
from reporting_project import lay_out_report

from stages.compare import PAGE, main
from stages.errors import InputError
from stages.reporting.comparing import changed

GIT = ["git", "-c", "user.name=n", "-c", "user.email=n@localhost"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose first commit, tagged `slow/one`, was trained with another learning rate and scored worse."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("drawing_project.HOTA", {"stage1": {"street": 0.6, "air": 0.1}})
        lay_out_report(evaluation=_evaluation(), gates={})
        subprocess.run([*GIT, "init", "-q", "-b", "main"], check=True)
        with Repo.init() as repo:
            repo.add("plots/scores")
            _commit("One", "slow/one")
            shutil.rmtree("plots")
            patch.setattr("drawing_project.HOTA", {"stage1": {"street": 0.8, "air": 0.1}})
            stage = yaml.safe_load(Path("params.yaml").read_text())["stage1"]
            lay_out_report(evaluation=_evaluation(), gates={}, stage1=stage | {"lr": 0.01})
            repo.add("plots/scores")
            _commit("Two", "fast")
    return folder


def _evaluation() -> dict:
    return {"checkpoints": ["stage1"], "detection": {}}


def _commit(message: str, tag: str) -> None:
    for command in (["add", "-A"], ["commit", "-qm", message, "--no-verify"], ["tag", tag]):
        subprocess.run([*GIT, *command], check=True)


@pytest.fixture
def repository(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@needs_chromium
def test_two_revisions_stand_side_by_side(repository, capsys):
    main("slow/one", "fast")
    assert capsys.readouterr().out.strip() == str(PAGE)
    with opened(PAGE) as found:
        found.wait_for_charts()
        assert found.console == []
        first, second = found.page.locator("h2").all_text_contents()[:2]
        assert (first, second) == ("Params that differ", "Scores that differ")
        cells = found.page.locator("#params td").all_text_contents()
        assert cells == ["stage1.lr", "0.003", "0.01"]
        rows = found.page.locator("#scores tbody tr").all_text_contents()
        assert len(rows) == 6  # three metrics of two trackers on the street; nothing differs in the air
        assert all("better, by more than chance" in row for row in rows)
        labels = found.page.locator("#tracking .label").all_text_contents()
        assert labels == ["slow/one", "fast"]
        left = found.page.locator("#curriculum .column").nth(0).locator(".vega").first.bounding_box()
        right = found.page.locator("#curriculum .column").nth(1).locator(".vega").first.bounding_box()
        assert found.page.locator("video").count() == 0
        assert found.page.get_by_text("videos are not carried here").count() == 2
        assert left["y"] == pytest.approx(right["y"], abs=2) and right["x"] > left["x"] + left["width"]


def test_a_revision_and_the_workspace(repository):
    before = PAGE.read_bytes() if PAGE.exists() else b""
    main("slow/one", "workspace")
    text = PAGE.read_text(encoding="utf-8")
    assert "slow/one" in text and "workspace" in text and PAGE.read_bytes() != before
    main("fast", "workspace")
    assert "None: both runs have the same params." in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("fast", "slwo"), "slwo: no such revision or experiment"),
        (("", "fast"), ": no such revision or experiment"),
        (("slow/none", "fast"), "slow/none"),
        (("fast", "stage1/bytetrack"), "fast: not a run"),
    ],
)
def test_names_of_nothing(repository, names, said):
    with pytest.raises(InputError) as caught:
        main(*names)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_revision_without_a_run_or_with_params_of_another_kind(repository):
    subprocess.run([*GIT, "switch", "-q", "-c", "odd", "fast"], check=True)
    shutil.rmtree("metrics")
    _commit("Forget", "empty")
    with pytest.raises(InputError, match="empty: that revision holds no run"):
        main("empty", "fast")
    subprocess.run([*GIT, "switch", "-q", "main"], check=True)


def test_files_that_neither_cache_nor_remote_has(repository):
    cache = Path(".dvc/cache")
    cache.rename("kept")
    try:
        with pytest.raises(InputError, match=r"slow/one: its run cannot be read \(.*dvc fetch --all-commits"):
            main("slow/one", "workspace")
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        Path("kept").rename(cache)


def test_a_workspace_without_a_run(repository):
    Path("plots/hota.csv").rename("kept.csv")
    try:
        with pytest.raises(InputError, match=r"workspace: .*plots/hota\.csv.*dvc pull"):
            main("fast", "workspace")
    finally:
        Path("kept.csv").rename("plots/hota.csv")


def test_changed_keys():
    first = {"a": {"b": 1, "c": [1, 2]}, "d": None, "gone": {}}
    second = {"a": {"b": 1.0, "c": [1, 3]}, "d": None, "new": {"x": "é"}}
    assert changed(first, second) == [
        ("a.b", "1", "1.0"),
        ("a.c", "[1, 2]", "[1, 3]"),
        ("gone", "{}", "not set"),
        ("new.x", "not set", '"é"'),
    ]
