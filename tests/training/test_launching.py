"""Whether a stage starts others, in whatever environment it was started."""

from __future__ import annotations

import os

import pytest

from stages.errors import InputError
from stages.params.model import Compute
from stages.training.launching import (
    _environment,
    _host_rank,
    leave_other_groups,
    must_launch,
    require_processes,
)
from stages.training.processes import LAUNCHER

GROUP = {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
HOSTS = Compute(hosts=("a", "b"))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*GROUP, LAUNCHER, "SKYWARD_HOST_RANK"):
        monkeypatch.setenv(name, "")  # so that it is put back, whoever removes it
        monkeypatch.delenv(name)


def test_another_launchers_variables_do_not_stand_for_our_own(monkeypatch: pytest.MonkeyPatch):
    for name, value in GROUP.items():
        monkeypatch.setenv(name, value)
    leave_other_groups()
    assert must_launch(Compute(devices=4)) and must_launch(HOSTS) and not must_launch(Compute())
    assert not GROUP.keys() & os.environ.keys() and not GROUP.keys() & _environment().keys()
    assert _environment()[LAUNCHER] == str(os.getpid())


def test_a_process_that_was_launched_trains(monkeypatch: pytest.MonkeyPatch):
    for name, value in (GROUP | {"WORLD_SIZE": "4", LAUNCHER: "1"}).items():
        monkeypatch.setenv(name, value)
    leave_other_groups()
    assert not must_launch(Compute(devices=4)) and os.environ["WORLD_SIZE"] == "4"


def test_several_of_another_launcher_are_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(InputError, match=r"^WORLD_SIZE: another launcher has started 4 processes .*: start it once"):
        leave_other_groups()


def test_as_many_run_as_params_ask_for():
    require_processes(4, Compute(devices=2, hosts=("a", "b")))
    with pytest.raises(
        InputError, match=r"^params\.yaml: compute: 4 processes are asked for, and 1 run: run the stage"
    ):
        require_processes(1, Compute(devices=4))


@pytest.mark.parametrize("text", ["zero", "", "-1", "2", "1.0", "\u00b2"])
def test_a_rank_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("SKYWARD_HOST_RANK", text)
    with pytest.raises(InputError, match=r"^SKYWARD_HOST_RANK: `.*` is no rank: give a number from 0 to 1, the place"):
        _host_rank(HOSTS)


def test_the_rank_of_a_host(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SKYWARD_HOST_RANK", "1")
    assert _host_rank(HOSTS) == 1 and _host_rank(Compute()) == 0
    monkeypatch.delenv("SKYWARD_HOST_RANK")
    with pytest.raises(InputError, match=r"compute\.hosts: this host, .*, is none of a, b: name it there, or set SKYW"):
        _host_rank(HOSTS)
