from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.errors import InputError, choose, run_stage

ROOT = Path(__file__).resolve().parent.parent


def _run(monkeypatch, main, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="stages.thing")))
    try:
        run_stage(main)
    except SystemExit as error:
        return error.code
    return 0


def test_an_input_error_is_one_line_and_pickles():
    error = InputError("a.txt:3", "bad box", "mend it")
    assert str(error) == "a.txt:3: bad box: mend it"
    again = pickle.loads(pickle.dumps(error))
    assert (again.where, again.what, again.remedy, str(again)) == ("a.txt:3", "bad box", "mend it", str(error))


def test_choose_lists_what_there_is():
    assert choose({"a": 1, "b": 2}, "b", "stage") == 2
    with pytest.raises(InputError, match=r"^c: no such stage: params\.yaml has a, b$"):
        choose({"a": 1, "b": 2}, "c", "stage")
    with pytest.raises(InputError, match=r"^stag: no such stage: params\.yaml has a, stage1: did you mean `stage1`\?$"):
        choose({"a": 1, "stage1": 2}, "stag", "stage")


def test_arguments_reach_main(monkeypatch):
    seen = []
    assert _run(monkeypatch, lambda checkpoint, tracker: seen.append((checkpoint, tracker)), "one", "two") == 0
    assert seen == [("one", "two")]


@pytest.mark.parametrize(("arguments", "shown"), [((), "no arguments"), (("a", "b"), "a b")])
def test_wrong_arguments_show_the_usage(monkeypatch, capsys, arguments, shown):
    def main(stage: str) -> None:
        raise AssertionError("must not run")

    assert _run(monkeypatch, main, *arguments) == 1
    assert capsys.readouterr().err == f"error: {shown}: usage: python -m stages.thing STAGE\n"


@pytest.mark.parametrize("given", [("a", "--to", "b", "--size", "3"), ("--size=3", "a", "--to=b")])
def test_options_reach_main_by_name(monkeypatch, given):
    seen = []

    def main(folder: str, *, to: str, size: str = "1", more: str = "2") -> None:
        seen.append((folder, to, size, more))

    assert _run(monkeypatch, main, *given) == 0
    assert seen == [("a", "b", "3", "2")]


@pytest.mark.parametrize("given", [("a",), ("a", "--to"), ("a", "--to="), ("a", "--two", "b"), ("a", "--to", "b", "c")])
def test_wrong_options_show_the_usage(monkeypatch, capsys, given):
    def main(folder: str, *, to: str, size: str = "1") -> None:
        raise AssertionError("must not run")

    assert _run(monkeypatch, main, *given) == 1
    usage = "usage: python -m stages.thing FOLDER --to TO [--size SIZE]"
    assert capsys.readouterr().err == f"error: {' '.join(given)}: {usage}\n"


def _raiser(error: Exception):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("gt.txt:3", "two\nlines   of text", "mend it"), "gt.txt:3: two lines of text: mend it"),
        (OSError(errno.ENOSPC, "No space left on device", "models/a"), "models/a: no space left on device: free some"),
        (
            PermissionError(errno.EACCES, "Permission denied", "data"),
            "data: permission denied: free some space or make",
        ),
        (OSError(errno.EROFS, "Read-only file system", "data"), "data: read-only file system: free some space"),
    ],
)
def test_errors_to_act_on_are_one_line_on_stderr(monkeypatch, capsys, error, line):
    assert _run(monkeypatch, _raiser(error)) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {line}") and printed.err.count("\n") == 1


def test_ctrl_c_is_one_line_and_status_130(monkeypatch, capsys):
    def main() -> None:
        raise KeyboardInterrupt

    assert _run(monkeypatch, main) == 130
    assert capsys.readouterr().err == "error: stopped by SIGINT: run again\n"


def test_ctrl_c_during_imports_is_one_line(tmp_path: Path):
    """A `torch` that never ends stands for the real one, which takes seconds."""
    (tmp_path / "torch.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "stages.finetune", "stage1"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=-1, stderr=-1, text=True)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "error: stopped by SIGINT: run again\n")
    assert process.returncode == -signal.SIGINT  # 130 in a shell


@pytest.mark.parametrize("error", [ValueError("a bug"), ConnectionResetError(errno.ECONNRESET, "reset")])
def test_a_bug_keeps_its_traceback(monkeypatch, error):
    with pytest.raises(type(error)):
        _run(monkeypatch, _raiser(error))
