"""Workers that are processes of this machine: one for every core, or one for every GPU."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from stages.fanout.workers import Answer, Workers, answer, compute_with_one_thread, make_ready, ready


@dataclass(eq=False)
class _Local:
    """One worker: its process and the pipe to it, once it has begun, and the GPU that is its own, if it has one."""

    device: str | None
    process: BaseProcess | None = None
    connection: Connection | None = None


class LocalWorkers(Workers):
    """Processes that are forked from this one, which is fastest; or started anew, where they have GPUs.

    A forked process must not use a GPU or threads that its parent has used. It is forked with its first job, so that
    one works while the next is forked: to fork a process of 700 MB takes 40 ms.
    """

    def __init__(self, function: Callable[[Any], Any], devices: int = 0):
        self._devices = visible_devices(devices)
        self._forks = sys.platform == "linux" and not devices
        self._context = multiprocessing.get_context("fork" if self._forks else "spawn")
        if self._forks:
            make_ready(function)
        self._held = function if self._forks else pickle.dumps(function)
        self._workers: list[_Local] = []
        self._new: list[_Local] = []  # hired, and not yet said to be ready
        # Before forking: a process does not inherit the threads that it would wait for.
        self._restore = compute_with_one_thread()
        self.most = len(self._devices) or len(os.sched_getaffinity(0))

    def hire(self) -> _Local:
        """See `Workers`."""
        free = set(self._devices) - {worker.device for worker in self._workers}
        worker = _Local(min(free, key=self._devices.index) if free else None)
        self._workers.append(worker)
        if self._forks:
            self._new.append(worker)
        else:
            self._start(worker)
        return worker

    def _start(self, worker: _Local) -> None:
        worker.connection, there = self._context.Pipe()
        inherited = [each.connection for each in self._workers if each.connection] if self._forks else []
        worker.process = self._context.Process(
            target=_work, args=(there, inherited, self._held, worker.device), daemon=True
        )
        worker.process.start()
        there.close()

    def assign(self, worker: _Local, job: Any) -> None:
        """See `Workers`."""
        if worker.connection is None:
            self._start(worker)
        with suppress(OSError):  # it has died: `answers` will say so
            worker.connection.send(job)

    def answers(self) -> list[tuple[_Local, Answer | None]]:
        """See `Workers`."""
        if self._new:
            ready, self._new = self._new, []
            return [(worker, Answer()) for worker in ready]
        begun = {worker.connection: worker for worker in self._workers if worker.connection}
        return [(begun[connection], self._receive(begun[connection])) for connection in wait(list(begun))]

    def _receive(self, worker: _Local) -> Answer | None:
        try:
            return pickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            self._workers.remove(worker)
            _end([worker])
            return None

    def dismiss(self) -> None:
        """See `Workers`."""
        _end([worker for worker in self._workers if worker.process])
        self._workers, self._new = [], []
        self._restore()


def _end(workers: list[_Local]) -> None:
    """Kill all, then wait for all: the kernel takes as long to end a process as to fork it, and ends them at a time."""
    for worker in workers:
        worker.connection.close()
        worker.process.kill()
    for worker in workers:
        worker.process.join()


def visible_devices(count: int) -> list[str]:
    """The names by which CUDA_VISIBLE_DEVICES calls the ``count`` GPUs that this process sees."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [name.strip() for name in said.split(",") if name.strip()][:count] or [str(each) for each in range(count)]


def _work(connection: Connection, inherited: list[Connection], held: Any, device: str | None) -> None:
    """Answer jobs until the other end is closed, which happens also when that process dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends this process
    for other in inherited:
        other.close()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    try:
        function = held
        if isinstance(held, bytes):
            function, said = ready(held)
            connection.send_bytes(said)
        while True:
            connection.send_bytes(answer(function, connection.recv()))
    except (EOFError, OSError):
        pass
