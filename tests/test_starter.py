"""A stage misses the dvc that started it, whatever shell stands between; what no dvc started may outlive its shell."""

from __future__ import annotations

import shlex
import subprocess
import sys

import psutil
import pytest

# That dvc is gone comes to light also where it went while the stage still imported what takes long.
_ASKS = "import sys, stages; print('torch' in sys.modules, flush=True); input(); print(stages.STARTER.has_ended())"
COMMAND = shlex.join([sys.executable, "-c", _ASKS])
# What DVC does, without the rest of it: a stage's name into the environment, then the command through a shell.
_STARTS = """
import os, subprocess, sys
subprocess.run(["/bin/sh", "-c", sys.argv[1]], env=os.environ | {sys.argv[2]: "s"})
"""

BETWEEN = {
    "no shell": f"exec {COMMAND}",
    "a shell": f"{COMMAND}; exit $?",
    "two shells": f"sh -c {shlex.quote(f'{COMMAND}; exit $?')}; exit $?",
}


def _answers(command: str, *killed: str, variable: str = "DVC_STAGE", outer: str | None = None) -> list[str]:
    """Whether torch is there once dvc is known; whether dvc is missed once the ``killed``, of it and its shell, are."""
    environment = {"PATH": "/usr/bin:/bin"} | ({"DVC_STAGE": outer} if outer else {})
    dvc = subprocess.Popen(
        [sys.executable, "-c", _STARTS, command, variable],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    first = dvc.stdout.readline()
    victims = {"dvc": psutil.Process(dvc.pid), "shell": psutil.Process(dvc.pid).children()[0]}
    for name in killed:
        victims[name].kill()
    psutil.wait_procs([victims[name] for name in killed], timeout=30)
    dvc.stdin.write("\n")
    dvc.stdin.flush()
    second = dvc.stdout.readline()
    dvc.stdin.close()
    dvc.stdout.close()
    dvc.wait()
    return [first.strip(), second.strip()]


@pytest.mark.parametrize("between", BETWEEN)
def test_a_killed_dvc_is_missed(between: str):
    assert _answers(BETWEEN[between], "dvc") == ["False", "True"]


@pytest.mark.parametrize("between", BETWEEN)
def test_a_dvc_that_runs_is_not(between: str):
    assert _answers(BETWEEN[between]) == ["False", "False"]


@pytest.mark.parametrize("between", ["a shell", "two shells"])
def test_without_its_shell_a_stage_is_cut_off_from_dvc(between: str):
    assert _answers(BETWEEN[between], "shell") == ["False", "True"]


def test_a_dvc_that_is_itself_in_a_stage_of_another_is_missed():
    assert _answers(BETWEEN["a shell"], "dvc", outer="outer") == ["False", "True"]


@pytest.mark.parametrize("between", BETWEEN)
def test_what_no_dvc_started_may_outlive_its_shell(between: str):
    assert _answers(BETWEEN[between], "dvc", variable="OTHER") == ["False", "False"]
