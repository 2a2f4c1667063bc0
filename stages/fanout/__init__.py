"""One way to run a function over many jobs: in processes of this machine, or on the nodes of a Ray cluster.

A job is what one worker does at a time: a sequence, or a piece of one. Results come in the order of the jobs and do not
depend on where they were made: a worker computes with one thread, however many cores there are, because sums that are
split among threads end in other digits. A job whose worker is killed (by the kernel for want of memory, with its node)
is given to another; a job that raises is not tried again, and its exception is raised here.

On a Ray cluster the nodes see this project through a file system they share: its folder lies at the same path on each,
with the same Python environment. Workers change into it, import the code from where it was imported here, and read
archives and weights there. Only jobs and results travel, and only this process writes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stages.fanout.workers import Workers, compute_with_one_thread, make_ready
from stages.params.model import Evaluation

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Engine:
    """Where jobs run. ``gpus`` is what each worker of a Ray cluster asks for; 0 for what runs no network.

    ``devices`` are the GPUs of this machine: with several, each has a local worker of its own; with one, jobs run in
    this process.
    """

    kind: str = "local"
    address: str | None = None
    gpus: float = 0.0
    devices: int = 0

    @classmethod
    def of(cls, evaluation: Evaluation, *, network: bool) -> Engine:
        """The engine that params.yaml asks for; ``network`` says whether the jobs run one."""
        on_ray = evaluation.engine == "ray"
        devices = _devices() if network and not on_ray else 0
        return cls(evaluation.engine, evaluation.address, evaluation.gpus if network else 0.0, devices)


def fan_out(
    function: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine, *, names: Sequence[str], label: str = ""
) -> Iterator[Result]:
    """Yield what ``function`` makes of each of the ``jobs``, in their order.

    ``function`` pickles, and is unpickled once in each worker. Where it has a method ``load`` that is called there
    before the first job, to get ready what all jobs need; or here, where workers are forked, which inherit it.
    ``names`` say what each job works on, for messages. ``label`` heads the progress bar, shown on a terminal.

    Raises what a job raises, the first job's that fails, and `InputError` for a cluster that does not answer and for a
    job whose workers were killed four times.
    """
    if not jobs:
        return
    results = _here(function, jobs, engine) if _is_alone(jobs, engine) else _elsewhere(function, jobs, engine, names)
    yield from _shown(results, len(jobs), label)


def _is_alone(jobs: Sequence, engine: Engine) -> bool:
    if engine.kind == "ray":
        return False
    return engine.devices == 1 or min(len(jobs), engine.devices or len(os.sched_getaffinity(0))) == 1


def _here(function: Callable[[Job], Result], jobs: Sequence[Job], engine: Engine) -> Iterator[Result]:
    make_ready(function)
    restore = compute_with_one_thread() if not engine.devices else None
    try:
        yield from map(function, jobs)
    finally:
        if restore:
            restore()


def _elsewhere(function: Callable, jobs: Sequence, engine: Engine, names: Sequence[str]) -> Iterator:
    from stages.fanout.scheduling import run

    return run(_workers(function, engine), jobs, names)


def _workers(function: Callable, engine: Engine) -> Workers:
    if engine.kind == "ray":
        from stages.fanout.cluster import RayWorkers

        return RayWorkers(function, engine.address, engine.gpus)
    from stages.fanout.local import LocalWorkers

    return LocalWorkers(function, engine.devices)


def _devices() -> int:
    import torch

    return torch.cuda.device_count()


def _shown(results: Iterator[Result], count: int, label: str) -> Iterator[Result]:
    if not sys.stderr.isatty():
        return results
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread of its own: workers are forked from this process
    return iter(tqdm(results, desc=label, total=count, file=sys.stderr, dynamic_ncols=True, delay=1.0, leave=False))
