"""Workers that are processes of this machine: one for every core, or one for every GPU."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from stages.fanout.workers import Answer, Workers, answer, compute_with_one_thread, make_ready, ready


class LocalWorkers(Workers):
    """Processes that are forked from this one, which is fastest; or started anew, where they have GPUs.

    A forked process must not use a GPU or threads that its parent has used.
    """

    def __init__(self, function: Callable[[Any], Any], devices: int = 0):
        self._devices = visible_devices(devices)
        forks = sys.platform == "linux" and not devices
        self._context = multiprocessing.get_context("fork" if forks else "spawn")
        if forks:
            make_ready(function)
        self._held = function if forks else pickle.dumps(function)
        self._processes: dict[Connection, tuple[BaseProcess, str | None]] = {}
        # Before forking: a process does not inherit the threads that it would wait for.
        self._restore = compute_with_one_thread()
        self.most = len(self._devices) or len(os.sched_getaffinity(0))

    def hire(self) -> Connection:
        """See `Workers`."""
        free = set(self._devices) - {device for _, device in self._processes.values()}
        device = min(free, key=self._devices.index) if free else None
        here, there = self._context.Pipe()
        started_anew = isinstance(self._held, bytes)
        inherited = [] if started_anew else [*self._processes, here]
        process = self._context.Process(target=_work, args=(there, inherited, self._held, device), daemon=True)
        process.start()
        there.close()
        self._processes[here] = process, device
        return here

    def assign(self, worker: Connection, job: Any) -> None:
        """See `Workers`."""
        with suppress(OSError):  # it has died: `answers` will say so
            worker.send(job)

    def answers(self) -> list[tuple[Connection, Answer | None]]:
        """See `Workers`."""
        return [(worker, self._receive(worker)) for worker in wait(list(self._processes))]

    def _receive(self, worker: Connection) -> Answer | None:
        try:
            return pickle.loads(worker.recv_bytes())
        except (EOFError, OSError):
            self._end(worker)
            return None

    def _end(self, worker: Connection) -> None:
        process, _ = self._processes.pop(worker)
        worker.close()
        process.kill()
        process.join()

    def dismiss(self) -> None:
        """See `Workers`."""
        for worker in list(self._processes):
            self._end(worker)
        self._restore()


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
        function, said = (held, answer(lambda: None)) if not isinstance(held, bytes) else ready(held)
        connection.send_bytes(said)
        while True:
            connection.send_bytes(answer(function, connection.recv()))
    except (EOFError, OSError):
        pass
