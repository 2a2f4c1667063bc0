"""stages/fanout: order, errors, killed processes, one thread each; in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.process import BaseProcess

import cv2
import fanout_jobs as jobs
import pytest
import torch

from stages.errors import InputError
from stages.fanout import Engine, fan_out
from stages.fanout.local import LocalWorkers, visible_devices
from stages.fanout.scheduling import run

NAMES = [f"sequence {number}" for number in range(8)]


def two(function, count: int = 8, devices: int = 0):
    """The results of two local workers, whatever number of cores there is."""
    workers = LocalWorkers(function, devices)
    workers.most = 2
    return run(workers, range(count), NAMES)


@pytest.fixture(autouse=True)
def no_process_stays():
    yield
    assert multiprocessing.active_children() == []


def test_results_come_in_the_order_of_the_jobs():
    assert list(two(jobs.square)) == [n * n for n in range(8)]


@pytest.mark.parametrize("cores", [1, 3])
def test_as_many_workers_as_cores_and_none_for_one(cores, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    found = list(fan_out(jobs.process, range(8), Engine(), names=NAMES))
    assert len({process for process, _ in found}) == cores
    assert (os.getpid() in {process for process, _ in found}) == (cores == 1)


def test_nothing_to_do():
    assert list(fan_out(jobs.square, [], Engine(), names=[])) == []


def test_one_gpu_is_used_by_this_process_alone():
    assert {process for process, _ in fan_out(jobs.process, range(8), Engine(devices=1), names=NAMES)} == {os.getpid()}


def test_each_of_several_gpus_has_a_process(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    found = set(two(jobs.process, devices=2))
    assert sorted(device for _, device in found) == ["5", "7"]
    assert len({process for process, _ in found}) == 2


@pytest.mark.parametrize(
    ("said", "count", "names"),
    [("", 3, ["0", "1", "2"]), ("5, 7", 2, ["5", "7"]), ("GPU-ab,GPU-cd", 2, ["GPU-ab", "GPU-cd"]), ("1,2", 0, [])],
)
def test_names_of_gpus(said, count, names, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert visible_devices(count) == names


def test_the_first_error_is_raised_as_it_is_and_results_before_it_come():
    results = two(jobs.fail_from_three)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="sequence 3: is bad: mend it"):
        next(results)


def test_an_error_that_does_not_pickle_is_told():
    with pytest.raises(RuntimeError, match="Clumsy: said so") as caught:
        list(two(jobs.raise_what_does_not_come_back))
    assert "raise Clumsy(1, 2)" in str(caught.value.__cause__)


def test_a_killed_process_is_replaced_and_its_job_done_again(tmp_path, capfd):
    assert list(two(jobs.Killing(str(tmp_path), 4, times=3))) == [n * n for n in range(8)]
    line = "warning: sequence 4: its process was killed, another begins it anew\n"
    assert capfd.readouterr().err == 3 * line


def test_a_job_whose_processes_are_always_killed_is_named(tmp_path):
    with pytest.raises(InputError, match=r"sequence 4: the process that worked on it was killed, 4 times"):
        list(two(jobs.Killing(str(tmp_path), 4, times=9)))
    assert len(list(tmp_path.iterdir())) == 4


def test_who_stops_asking_ends_the_workers():
    results = two(jobs.square)
    assert next(results) == 0
    results.close()
    assert multiprocessing.active_children() == []


def test_a_process_is_forked_with_its_first_job_and_works_while_others_are_forked():
    workers = LocalWorkers(jobs.square)
    hired = [workers.hire(), workers.hire()]
    assert [(worker, answer.result()) for worker, answer in workers.answers()] == [(hired[0], None), (hired[1], None)]
    assert multiprocessing.active_children() == []
    workers.assign(hired[0], 3)
    assert len(multiprocessing.active_children()) == 1
    assert [(worker, answer.result()) for worker, answer in workers.answers()] == [(hired[0], 9)]
    workers.dismiss()


def test_all_workers_are_killed_before_one_is_waited_for(monkeypatch):
    done = []
    for name in ("kill", "join"):
        call = getattr(BaseProcess, name)
        monkeypatch.setattr(BaseProcess, name, lambda self, name=name, call=call: (done.append(name), call(self)))
    assert list(two(jobs.square)) == [n * n for n in range(8)]
    assert done == ["kill", "kill", "join", "join"]


def test_what_is_loaded_before_forking_is_inherited():
    found = list(two(jobs.Loading()))
    assert {loaded for loaded, _ in found} == {os.getpid()}
    assert os.getpid() not in {worker for _, worker in found}


@pytest.mark.parametrize("alone", [True, False])
def test_a_worker_computes_with_one_thread(alone, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(1 if alone else 2)))
    before = torch.get_num_threads(), cv2.getNumThreads()
    assert set(fan_out(jobs.threads, range(4), Engine(), names=NAMES)) == {(1, 1)}
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
