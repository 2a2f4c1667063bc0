"""A revision's run, fetched into a folder: what git holds of it, and what DVC's cache or remote does.

A revision is what git or DVC can name: a commit, branch or tag, or an experiment; `workspace` is what lies here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.params import load_params
from stages.reporting.run import Run, commit_of

WORKSPACE = "workspace"
# Of the run: all that the page shows but videos, which are large and stay where they are.
_FOLDERS = ("metrics", "plots/scores", "plots/training", "plots/explain", "plots/videos", "plots/explore")
_SUFFIXES = (".json", ".csv", ".jpg", ".png")
_COMPLETE = ("metrics/curriculum.json", "plots/hota.csv")
_REMEDY = "check the name and the remote, then run `dvc fetch --all-commits`"


def is_revision(name: str) -> bool:
    """Whether ``name`` is `workspace`, or git or DVC know it here."""
    return name == WORKSPACE or _resolve(name) is not None


def run_of(name: str, folder: Path) -> Run:
    """The run of a revision, its files in ``folder``; raises `InputError` where it cannot be had."""
    if name == WORKSPACE:
        here = Path()
        if not all((here / path).is_file() for path in _COMPLETE):
            raise InputError(
                name, f"holds no complete run ({' and '.join(_COMPLETE)})", "run `dvc repro` or `dvc pull`"
            )
        text = Path("params.yaml").read_text(encoding="utf-8")
        return Run(here, load_params(), text, label=WORKSPACE, base="", commit=commit_of(here))
    commit = _resolve(name)
    if commit is None:
        raise InputError(name, "no such revision or experiment", "see `git log` and `dvc exp show`")
    _fetch(name, folder)
    params = load_params(folder / "params.yaml")
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    sha, when = commit
    said = f"{sha[:7]}, {when.strftime('%Y-%m-%d')}"
    return Run(folder, params, text, label=name, base=None, commit=said)


def _resolve(name: str) -> tuple[str, datetime] | None:
    """The commit of a revision, and its time; None where there is none, as for no name, which git takes for HEAD."""
    if not name:
        return None
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    try:
        with Repo() as repo:
            sha = resolve_rev(repo.scm, name)
            commit = repo.scm.resolve_commit(sha)
            return sha, datetime.fromtimestamp(commit.commit_time, UTC)
    except (DvcException, RevError):
        return None


def _fetch(name: str, folder: Path) -> None:
    """Copy what the page needs of a revision."""
    from dvc.api import DVCFileSystem

    try:
        files = DVCFileSystem(rev=name)
        _copy(files, "params.yaml", folder)
        for path in _wanted(files):
            _copy(files, path, folder)
    except InputError:
        raise
    except Exception as error:  # DVC, git and every kind of remote have errors of their own
        reason = " ".join(str(error.__cause__ or error).split())[:160]
        raise InputError(name, f"its run cannot be read ({reason})", _REMEDY) from None
    if not (folder / "metrics/curriculum.json").is_file():
        raise InputError(name, "that revision holds no run (metrics/curriculum.json)", _REMEDY)


def _wanted(files: Any) -> list[str]:
    found = [path for top in _FOLDERS if files.exists(top) for path in files.find(top)]
    found += files.ls("plots", detail=False) if files.exists("plots") else []
    found += files.glob("models/*/card.json") if files.exists("models") else []
    return sorted({path for path in found if path.endswith(_SUFFIXES)})


def _copy(files: Any, path: str, folder: Path) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(files.cat_file(path))
