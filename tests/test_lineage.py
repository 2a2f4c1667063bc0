from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages import lineage
from stages.errors import InputError
from tests.lineages import write_project

ROOT = Path(__file__).resolve().parent.parent


def _command(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "stages.lineage", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_chain_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    lineage.main("models/stage2")
    heads = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert heads == ["models/stage2", "models/stage1", "models/pretrained"]


def test_a_broken_chain_is_printed_with_status_1_and_one_line(tmp_path: Path):
    write_project(tmp_path)
    (tmp_path / "models/pretrained/model.safetensors").unlink()
    done = _command(tmp_path, "models/stage2/")
    assert done.returncode == 1 and done.stdout.startswith("models/stage2\n") and "BROKEN" in done.stdout
    what = "models/pretrained: the chain is broken: no weights beside the card"
    assert done.stderr == f"error: {what}: run `dvc checkout` for the files of this commit, or `dvc repro`\n"


def test_no_checkpoint_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^models/stage2/card\.json: no such checkpoint: run `dvc repro` or"):
        lineage.main("models/stage2")
    assert capsys.readouterr().out == ""
