"""stages/reporting/run.py: what a run took, and which commit it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from drawing_project import lay_out

from stages.clock import TIMES
from stages.files import write_json
from stages.reporting.run import Run, commit_of

GIT = ["git", "-c", "user.name=n", "-c", "user.email=n@localhost"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stage_that_was_killed_took_what_all_its_processes_took():
    params = lay_out()
    for stage, seconds in (("finetune@stage1", 9.5), ("finetune@stage2", 140.0), ("plot", 3.0), ("report", 4.0)):
        write_json(TIMES / f"{stage}.json", {"seconds": seconds, "peak_memory_mb": 1, "ended": "2026-01-02T03:04:05"})
    took = {name: of["seconds"] for name, of in Run(Path(), params, "").times.items()}
    assert took == {"finetune@stage1": 130.0, "finetune@stage2": 140.0, "plot": 3.0}


def test_the_commit_is_changed_by_params_and_not_by_what_a_run_writes():
    for path in ("params.yaml", "dvc.lock", "metrics/runs/stage1.json"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("{}")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "One"]):
        subprocess.run([*GIT, *command], check=True)
    for path in ("dvc.lock", "metrics/runs/stage1.json"):
        Path(path).write_text("[]")
    assert commit_of(Path()).endswith(", main")
    Path("params.yaml").write_text("[]")
    assert commit_of(Path()).endswith(", main, with changes to it since")
